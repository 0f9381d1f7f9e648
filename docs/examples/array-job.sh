#!/bin/bash
#SBATCH --job-name=study
#SBATCH --array=1-500%50
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00

# Task 7 runs the subject on line 7; a run folder is never used twice, so that of a task that
# the scheduler starts again has the number of its restart behind the name.
subject=$(sed -n "${SLURM_ARRAY_TASK_ID}p" subjects.txt)
run="runs/$subject${SLURM_RESTART_COUNT:+.restart-$SLURM_RESTART_COUNT}"

nicarbon run -o "$run" fmriprep bids derivatives participant --participant-label "$subject"
