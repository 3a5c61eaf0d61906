"""What the audits found of a face set → one page, and JSON."""

from semihard.study_table.face_set_page import describe_face_set
from semihard.workflow.job import job

with job(snakemake):
    inputs = dict(snakemake.input.items())
    tables = {name: inputs.pop(name) for name in ("sets", "together") if name in inputs}
    describe_face_set(inputs.pop("faces"), dict(snakemake.output.items()), **inputs, compared=tables)
