"""Make a page of one participant's figures: python nireports_page.py OUT 01."""

import sys

from nireports.assembler.report import Report

folder, participant = sys.argv[1:]
# A name of its own: sub-01.html is fMRIPrep's own page.
name = f"sub-{participant}_energy.html"
spec = "nireports.yml"
sys.exit(Report(folder, None, spec, out_filename=name, subject=participant).generate_report())
