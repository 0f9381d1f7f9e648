# SPDX-License-Identifier: Apache-2.0
"""What the results of the structural workflow are called, and how they get to their folder."""

from __future__ import annotations

# the results' names in the output folder, after BIDS Derivatives
SUBSTITUTIONS = {
    "denoised.nii": "desc-brain_T1w.nii",
    "brain_mask.nii": "desc-brain_mask.nii",
    "tissue.nii": "desc-tissue_dseg.nii",
    "parcellation.nii": "desc-DesikanKilliany_dseg.nii",
}


def both(left: str, right: str) -> list[str]:
    """Put what belongs to both hemispheres into one list, left first."""
    return [left, right]


def sink(
    out_dir: str,
    brain: str,
    mask: str,
    tissue: str,
    parcellation: str,
    white: list[str],
    pial: list[str],
    thickness: list[str],
    parcels: list[str],
    inflated: list[str],
    smoothed: list[str],
    regions: str,
    regions_sidecar: str,
    volumes: str,
    volumes_sidecar: str,
    check: str,
) -> list[str]:
    """Copy results to the output folder, under their names there.

    Parameters
    ----------
    out_dir : str
        The folder.
    brain, mask, tissue, parcellation : str
        Volumes, to ``anat`` in it.
    white, pial, thickness, parcels, inflated, smoothed : list of str
        Surfaces and maps of both hemispheres, to ``surf``.
    regions, regions_sidecar, volumes, volumes_sidecar, check : str
        Tables, what their columns mean, and the report of the check, to ``stats``.

    Returns
    -------
    list of str
        The copies.
    """
    import shutil
    from pathlib import Path

    results = {
        "anat": [brain, mask, tissue, parcellation],
        "surf": [*white, *pial, *thickness, *parcels, *inflated, *smoothed],
        "stats": [regions, regions_sidecar, volumes, volumes_sidecar, check],
    }
    copies = []
    for folder, files in results.items():
        place = Path(out_dir) / folder
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            name = Path(file).name
            for old, new in SUBSTITUTIONS.items():
                name = name.replace(old, new)
            copies.append(str(shutil.copyfile(file, place / name)))
    return copies
