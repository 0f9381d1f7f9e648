# SPDX-License-Identifier: Apache-2.0
"""Parts of the structural workflow.

``workflows`` joins the nodes; ``*_steps`` hold one function per node; ``interfaces`` the console
programs; ``meshes``, ``topology`` and ``gifti`` what the surface steps share.
"""
