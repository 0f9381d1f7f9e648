# SPDX-License-Identifier: Apache-2.0
"""Parts of the structural workflow.

``workflows`` and ``branches`` join the nodes; ``*_steps`` hold one function per node,
``interfaces`` the console programs; ``meshes``, ``topology``, ``morphology`` and ``gifti`` hold
what the steps share.
"""
