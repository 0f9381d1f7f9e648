# SPDX-License-Identifier: Apache-2.0
"""What the FreeSurfer and FastSurfer workflows are made of."""
