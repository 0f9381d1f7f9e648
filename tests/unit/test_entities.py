# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.entities import Entities, entities


@pytest.mark.parametrize(
    ("name", "subject", "session"),
    [
        # fMRIPrep and sMRIPrep
        ("fmriprep_25_2_wf.sub_01_wf.anat_fit_wf.anat_validate", "sub-01", None),
        ("fmriprep_25_2_wf.sub_01_ses_a_wf.bold_ses_a_task_rest_run_1_wf.x", "sub-01", "ses-a"),
        ("fmriprep_wf.single_subject_01_wf.anat_preproc_wf.n4", "sub-01", None),
        ("smriprep_wf.single_subject_pixar_wf.anat_preproc_wf.n4", "sub-pixar", None),
        ("fmriprep_wf.single_subject_MSC01_wf.func_preproc_ses_func01_task_x_wf.bold_split",
         "sub-MSC01", "ses-func01"),
        ("fmriprep_25_2_wf.sub_MNI_wf.about", "sub-MNI", None),
        # mriqc, qsiprep, own scripts
        ("qsiprep_wf.sub-01_ses-2.dwi", "sub-01", "ses-2"),
        ("wf.sub-pixar.smooth", "sub-pixar", None),
        ("wf.subject_07.smooth", "sub-07", None),
        ("wf.participant_label_07.session_2.smooth", "sub-07", "ses-2"),
        ("wf.subject_id_sub_07.smooth", "sub-07", None),
        ("wf.smooth_sub-01[12]", "sub-01", None),
        ("recon_sub01", None, None),
        # what only looks like it
        ("wf.sub_cortical.seg", None, None),
        ("wf.sub_mean", None, None),
        ("wf.subject_template_wf.warp", None, None),
        ("wf.subtract_2.maths_sub", None, None),
        ("ReconAll.AutoRecon3.Brodmann_Area_Maps.BA_Maps_rh_srcsubject", None, None),
        ("wf.ses_mean", None, None),
        ("wf.process_2.glasses_3", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_subjects_and_sessions(name, subject, session):
    found = entities(name)
    assert (found.subject, found.session) == (subject, session)


@pytest.mark.parametrize(
    ("name", "hemisphere"),
    [
        ("ReconAll.AutoRecon3.AutoRecon3_Left_2.Parcellation_Stats_lh_White", "hemi-L"),
        ("ReconAll.AutoRecon3.Brodmann_Area_Maps.BA_Maps_rh_srcsubject", "hemi-R"),
        ("structural_wf.right_surface_wf.fill_white_matter", "hemi-R"),
        ("wf.hemi-L_space-fsnative.resample", "hemi-L"),
        ("wf.hemi_R_wf.resample", "hemi-R"),
        ("wf.Hemisphere_rh.smooth", "hemi-R"),
        ("wf.smooth_lh[3]", "hemi-L"),
        ("wf.LH.smooth", "hemi-L"),
        ("wf.merge_left_right", None),
        ("wf.left_wf.compare_with_right", None),
        ("wf.leftover.bright.lhs", None),
        ("wf.l.r", None),
        ("wf.hemispheres.both", None),
    ],
)
def test_hemispheres(name, hemisphere):
    assert entities(name).hemisphere == hemisphere


@pytest.mark.parametrize(
    ("iterables", "found"),
    [
        (["_subject_id_01"], Entities("sub-01")),
        (["subject_id_sub-01", "session_id_ses-b"], Entities("sub-01", "ses-b")),
        (["subject_pixar", "hemi_L"], Entities("sub-pixar", None, "hemi-L")),
        (["_hemi_lh"], Entities(hemisphere="hemi-L")),
        (["_hemi_right"], Entities(hemisphere="hemi-R")),
        (["_fwhm_4"], Entities()),
        (["sub-01", "ses-2"], Entities("sub-01", "ses-2")),
        (["sub-01", "hemi-L", "subject_01"], Entities("sub-01", None, "hemi-L")),
        (["sub-01", "sub-02", "ses-2"], Entities(None, "ses-2")),
    ],
)
def test_iterables(iterables, found):
    assert entities("wf.smooth.aI.a0", iterables) == found


def test_iterables_win_and_the_outermost_workflow_is_next():
    assert entities("wf.sub_1_wf.sub_2_wf.x").subject == "sub-1"
    assert entities("wf.sub_1_wf.x", ["_subject_id_3"]).subject == "sub-3"


@given(st.text(max_size=600))
def test_any_text_is_a_name(text):
    for value in (entities(text), entities("x", [text])):
        assert value.subject is None or value.subject.startswith("sub-")
        assert value.hemisphere in (None, "hemi-L", "hemi-R")


@given(st.from_regex(r"[A-Za-z0-9]+", fullmatch=True), st.from_regex(r"[a-z0-9]+", fullmatch=True))
def test_every_label_of_bids_is_found_in_the_names_of_fmriprep(subject, session):
    found = entities(f"fmriprep_wf.sub_{subject}_ses_{session}_wf.anat_fit_wf.n4")
    assert (found.subject, found.session) == (f"sub-{subject}", f"ses-{session}")
