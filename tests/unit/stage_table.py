# SPDX-License-Identifier: Apache-2.0
"""What a neuroimager would say: a node's workflow, name, interface or program, and its stage."""

N = "nipype.interfaces"
W = "niworkflows.interfaces"
S = "smriprep.interfaces.freesurfer"
M = "fmriprep.interfaces"
F = f"{N}.utility.wrappers.Function"

# (workflow, node, interface, stage)
NODES = """
wf | merge_lists | {N}.utility.base.Merge | engine
concatenate_data_wf | filter_runs | xcp_d.interfaces.concatenation.FilterOutFailedRuns | engine
denoise_bold_wf | regress_and_filter_bold | xcp_d.interfaces.nilearn.DenoiseNifti | confounds
denoise_bold_wf | regress_and_filter_bold | xcp_d.interfaces.nilearn.DenoiseCifti | confounds
qc_report_wf | qc_report | xcp_d.interfaces.bids.LINCQC | quality control
wf | betaseries_node | nibetaseries.interfaces.nistats.BetaSeries | statistics
rsfmri_filtering | regress_covar | {F} | confounds
graph_pipe | node_roles | graphpype.interfaces.radatools.ComputeNodeRoles | statistics
template_wf | get_bbox | {F} | resampling
wf | strip | {N}.minc.minc.Beast | brain extraction
wf | fit | {N}.slicer.registration.brainsfit.BRAINSFit | registration
wf | model | {N}.slicer.surface.ModelMaker | surface reconstruction
wf | pick_first | {N}.utility.base.Select | engine
wf | rename | {N}.utility.base.Rename | engine
wf | select_xfm | {W}.utility.KeySelect | engine
wf | sidecar | {W}.bids.ReadSidecarJSON | engine
wf | sources | {M}.bids.BIDSURI | engine
wf | fmt_names | {F} | engine
wf | get_subject_ids | {F} | engine
wf | list_runs | {F} | engine
anat_reports_wf | ds_t1w_mask_report | smriprep.interfaces.DerivativesDataSink | input and output
wf | ds_bold | {M}.DerivativesDataSink | input and output
wf | sinker | {N}.io.DataSink | input and output
wf | grab | {N}.io.BIDSDataGrabber | input and output
wf | fssource | {N}.io.FreeSurferSource | input and output
wf | template | smriprep.interfaces.templateflow.TemplateFlowSelect | input and output
wf | to_mgz | {N}.freesurfer.preprocess.MRIConvert | input and output
wf | split4d | {N}.fsl.utils.Split | input and output
wf | join4d | {N}.fsl.utils.Merge | input and output
wf | val | {W}.header.ValidateImage | input and output
wf | conform | {W}.images.Conform | input and output
wf | dcm | {N}.dcm2nii.Dcm2niix | input and output
wf | conform | {F} | input and output
wf | convert_units | {F} | input and output
wf | about | smriprep.interfaces.reports.AboutSummary | reporting
wf | rois | {W}.reportlets.masks.ROIsPlot | reporting
wf | mosaic | nireports.interfaces.PlotMosaic | reporting
wf | plot_design | {F} | reporting
func_fit_reports_wf | t1w_boldref | {W}.fixes.FixHeaderApplyTransforms | reporting
wf | motion_plots | {N}.fsl.utils.PlotMotionParams | reporting
wf | tsnr | nipype.algorithms.confounds.TSNR | quality control
wf | outliers | {N}.afni.preprocess.OutlierCount | quality control
wf | art | nipype.algorithms.rapidart.ArtifactDetect | quality control
wf | iqms | mriqc.interfaces.StructuralQC | quality control
bbreg_wf | compare_transforms | {F} | quality control
wf | eddyqc | {N}.fsl.epi.EddyQuad | quality control
anat_wf | n4 | {N}.ants.segmentation.N4BiasFieldCorrection | intensity correction
anat_wf | denoise | {N}.ants.segmentation.DenoiseImage | intensity correction
anat_wf | anat_merge | {W}.freesurfer.StructuralReference | intensity correction
recon | nu | {N}.freesurfer.preprocess.MNIBiasCorrection | intensity correction
recon | norm2 | {N}.freesurfer.preprocess.Normalize | intensity correction
epi | unifize | {N}.afni.utils.Unifize | intensity correction
dwi | dwidenoise | {N}.mrtrix3.preprocess.DWIDenoise | intensity correction
dwi | degibbs | {N}.mrtrix3.preprocess.MRDeGibbs | intensity correction
wf | bias_correction | {F} | intensity correction
anat_wf | strip | {N}.fsl.preprocess.BET | brain extraction
anat_wf | watershed | {N}.freesurfer.preprocess.WatershedSkullStrip | brain extraction
anat_wf | ss | {N}.afni.preprocess.SkullStrip | brain extraction
anat_wf | mask | {N}.afni.preprocess.Automask | brain extraction
anat_wf | synth | mriqc.interfaces.synthstrip.SynthStrip | brain extraction
anat_wf | abe | {N}.ants.segmentation.BrainExtraction | brain extraction
dwi | b0mask | {N}.mrtrix3.utils.BrainMask | brain extraction
wf | brain_extraction | {F} | brain extraction
surface_recon_wf | autorecon1 | {S}.ReconAll | brain extraction
bold_hmc_wf | mcflirt | {N}.fsl.preprocess.MCFLIRT | motion correction
bold_hmc_wf | fsl2itk | {W}.itk.MCFLIRT2ITK | motion correction
bold_stc_wf | slice_timing | {N}.afni.preprocess.TShift | motion correction
func | stc | {N}.spm.preprocess.SliceTiming | motion correction
func | realign | {N}.spm.preprocess.Realign | motion correction
func | volreg | {N}.afni.preprocess.Volreg | motion correction
raw_boldref_wf | gen_avg | {W}.images.RobustAverage | motion correction
bold_ref_wf | dummies | {W}.bold.NonsteadyStatesDetector | motion correction
motion_correct | coregistration | {N}.fsl.preprocess.FLIRT | motion correction
bold_t2s_wf | t2smap | {M}.multiecho.T2SMap | multi-echo
wf | optcom | {F} | multi-echo
sdc | topup | {N}.fsl.epi.TOPUP | distortion correction
dwi | eddy | {N}.fsl.epi.Eddy | distortion correction
sdc | fugue | {N}.fsl.preprocess.FUGUE | distortion correction
sdc | unwrap | {N}.fsl.preprocess.PRELUDE | distortion correction
sdc | rotime | sdcflows.interfaces.epi.GetReadoutTime | distortion correction
epidewarp | dwell_time | {F} | distortion correction
preproc.getmask | threshold2 | {N}.freesurfer.model.Binarize | brain extraction
skullstripped_recon_all | link_masks | {F} | input and output
syn_sdc_wf | syn | {W}.fixes.FixHeaderRegistration | distortion correction
eddy_correct | coregistration | {N}.fsl.preprocess.FLIRT | distortion correction
dwi | preproc | {N}.mrtrix3.preprocess.DWIPreproc | distortion correction
bold_fit_wf | unwarp_boldref | {M}.resampling.ResampleSeries | distortion correction
reg | t1_to_mni | {N}.ants.registration.Registration | registration
reg | flirt | {N}.fsl.preprocess.FLIRT | registration
reg | fnirt | {N}.fsl.preprocess.FNIRT | registration
bbreg_wf | bbregister | {W}.freesurfer.PatchedBBRegisterRPT | registration
bbreg_wf | concat | {W}.nitransforms.ConcatenateXFMs | registration
recon | surfreg | {N}.freesurfer.registration.Register | registration
recon | careg | {N}.freesurfer.preprocess.CARegister | registration
recon | tal | {N}.freesurfer.utils.TalairachAVI | registration
spm | norm | {N}.spm.preprocess.Normalize12 | registration
spm | dartel | {N}.spm.preprocess.DARTEL | registration
nr | aladin | {N}.niftyreg.reg.RegAladin | registration
autorecon_resume_wf | gcareg | {S}.ReconAll | registration
autorecon_resume_wf | autorecon2_vol | {S}.ReconAll | registration
wf | register_to_template | {F} | registration
bold_std_wf | to_std | {N}.ants.resampling.ApplyTransforms | resampling
reg | warp_all | {N}.fsl.preprocess.ApplyWarp | resampling
reg | inverse | {N}.fsl.preprocess.FLIRT | resampling
bold_surf_wf | sampler | {N}.freesurfer.utils.SampleToSurface | resampling
bold_surf_wf | vol2surf | {M}.workbench.VolumeToSurfaceMapping | resampling
grayords_wf | gen_cifti | {W}.cifti.GenerateCifti | resampling
wf | gen_ref | {W}.nibabel.GenerateSamplingReference | resampling
spm | write | {N}.spm.preprocess.DARTELNorm2MNI | resampling
wf | resample_labels | {F} | resampling
seg | fast | {N}.fsl.preprocess.FAST | segmentation
seg | 01_atropos | {N}.ants.segmentation.Atropos | segmentation
seg | newsegment | {N}.spm.preprocess.NewSegment | segmentation
recon | calabel | {N}.freesurfer.preprocess.CALabel | segmentation
recon | cc | {N}.freesurfer.preprocess.SegmentCC | segmentation
dwi | 5tt | {N}.mrtrix3.utils.Generate5tt | segmentation
wf | tissue_segmentation | {F} | segmentation
wf | lesion_mask | {F} | segmentation
recon | tess | {N}.freesurfer.utils.MRITessellate | surface reconstruction
recon | fill | {N}.freesurfer.utils.MRIFill | surface reconstruction
recon | fix | {N}.freesurfer.utils.FixTopology | surface reconstruction
recon | inflate2 | {N}.freesurfer.utils.MRIsInflate | surface reconstruction
recon | sphere | {N}.freesurfer.utils.Sphere | surface reconstruction
recon | curv | {N}.freesurfer.utils.Curvature | surface reconstruction
recon | ribbon | {N}.freesurfer.utils.VolumeMask | surface reconstruction
gifti_surfaces_wf | fs2gii | {N}.freesurfer.utils.MRIsConvert | surface reconstruction
autorecon_resume_wf | autorecon_surfs | {S}.ReconAll | surface reconstruction
autorecon_resume_wf | cortribbon | {S}.ReconAll | surface reconstruction
wf | recon_all | {N}.freesurfer.preprocess.ReconAll | surface reconstruction
cortex_masks_wf | islands | {W}.workbench.MetricRemoveIslands | surface reconstruction
wf | inflate | {F} | surface reconstruction
wf | topology_check | {F} | surface reconstruction
recon | parc | {N}.freesurfer.preprocess.MRIsCALabel | parcellation
recon | aparcaseg | {N}.freesurfer.utils.Aparc2Aseg | parcellation
recon | ba_label | {N}.freesurfer.model.Label2Label | parcellation
autorecon_resume_wf | autorecon3 | {S}.ReconAll | parcellation
wf | parcellation | {F} | parcellation
recon | stats | {N}.freesurfer.model.SegStats | morphometry
recon | parcstats | {N}.freesurfer.utils.ParcellationStats | morphometry
autorecon_resume_wf | parcstats | {S}.ReconAll | morphometry
wf | region_volumes | {F} | morphometry
bold_confounds_wf | acompcor | {W}.patches.RobustACompCor | confounds
bold_confounds_wf | fd | nipype.algorithms.confounds.FramewiseDisplacement | confounds
bold_confounds_wf | dvars | nipype.algorithms.confounds.ComputeDVARS | confounds
bold_confounds_wf | concat | {M}.confounds.GatherConfounds | confounds
ica_aroma_wf | aroma | {N}.fsl.aroma.ICA_AROMA | confounds
func | smooth | {N}.fsl.preprocess.SUSAN | smoothing and filtering
func | smooth | {N}.spm.preprocess.Smooth | smoothing and filtering
func | bandpass | {N}.afni.preprocess.Bandpass | smoothing and filtering
func | highpass | {N}.fsl.utils.ImageMaths | smoothing and filtering
func | detrend | {F} | smoothing and filtering
model | film | {N}.fsl.model.FILMGLS | statistics
model | flameo | {N}.fsl.model.FLAMEO | statistics
model | design | {N}.spm.model.Level1Design | statistics
model | contrasts | {N}.spm.model.EstimateContrast | statistics
model | specify | nipype.algorithms.modelgen.SpecifyModel | statistics
model | decon | {N}.afni.model.Deconvolve | statistics
wf | connectivity_matrix | {F} | statistics
dwi | dtifit | {N}.fsl.dti.DTIFit | diffusion modelling
dwi | bedpostx | {N}.fsl.dti.BEDPOSTX5 | diffusion modelling
dwi | fod | {N}.mrtrix3.reconst.EstimateFOD | diffusion modelling
dwi | response | {N}.mrtrix3.preprocess.ResponseSD | diffusion modelling
dwi | rotate_bvecs | {F} | diffusion modelling
dwi | csd | {N}.dipy.reconstruction.CSD | diffusion modelling
dwi | tckgen | {N}.mrtrix3.tracking.Tractography | tractography
dwi | connectome | {N}.mrtrix3.connectivity.BuildConnectome | tractography
dwi | probtrackx | {N}.fsl.dti.ProbTrackX2 | tractography
dwi | track | {N}.camino.dti.TrackPICo | tractography
pet | pvc | {N}.freesurfer.petsurfer.GTMPVC | kinetic modelling
pet | extract_tacs | {F} | kinetic modelling
dtitk | rigid | {N}.dtitk.registration.Rigid | registration
wf | smooth_thickness | {F} | smoothing and filtering
wf | smooth_white_surface | {F} | surface reconstruction
wf | resample_atlas | {F} | resampling
wf | warp_mask_to_t1w | {F} | resampling
wf | align_template | {F} | registration
wf | correct_topology | {F} | surface reconstruction
wf | place_pial_surface | {F} | surface reconstruction
wf | parcellate_surface | {F} | parcellation
wf | measure_region_volumes | {F} | morphometry
wf | summarise_tissue | {F} | morphometry
wf | draw_slices | {F} | reporting
wf | check_mask | {F} | quality control
wf | frobnicate | {F} | unclassified
"""

# (program, stage)
PROGRAMS = """
recon-all | surface reconstruction
/opt/fastsurfer/run_fastsurfer.sh | surface reconstruction
recon-surf.sh | surface reconstruction
antsCorticalThickness.sh | surface reconstruction
mri_convert | input and output
mri_nu_correct.mni | intensity correction
mri_normalize | intensity correction
mri_watershed | brain extraction
mri_synthstrip | brain extraction
mri_em_register | registration
mri_ca_register | registration
mris_register | registration
talairach_avi | registration
mri_vol2vol | resampling
mri_surf2surf | resampling
mri_ca_label | segmentation
mri_segment | segmentation
mri_fill | surface reconstruction
mris_place_surface | surface reconstruction
mris_fix_topology | surface reconstruction
mris_volmask | surface reconstruction
mris_ca_label | parcellation
mri_surf2volseg | parcellation
mri_aparc2aseg | parcellation
mri_segstats | morphometry
mris_anatomical_stats | morphometry
mri_glmfit | statistics
bet | brain extraction
fast | segmentation
flirt | registration
applywarp | resampling
mcflirt | motion correction
eddy_openmp | distortion correction
susan | smoothing and filtering
feat | statistics
probtrackx2 | tractography
antsRegistration | registration
antsApplyTransforms | resampling
N4BiasFieldCorrection | intensity correction
Atropos | segmentation
3dvolreg | motion correction
3dDeconvolve | statistics
3dTproject | smoothing and filtering
dwi2fod | diffusion modelling
tckgen | tractography
dcm2niix | input and output
hd-bet | brain extraction
mris_calc | surface reconstruction
dipy_classify_tissue | segmentation
nib-conform | input and output
my_own_script.sh | unclassified
"""


def rows(table: str) -> list[tuple[str, ...]]:
    filled = table.replace("{N}", N).replace("{W}", W).replace("{F}", F)
    filled = filled.replace("{S}", S).replace("{M}", M)
    return [tuple(cell.strip() for cell in line.split("|")) for line in filled.split("\n") if line]
