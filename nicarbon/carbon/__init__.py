# SPDX-License-Identifier: Apache-2.0
"""From joules to grams: what a kilowatt-hour stands for, and the price that a run was given.

The facts of a run are never touched: its price is a file of its own beside them.
"""
