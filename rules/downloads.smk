"""
Files of the web and of the Hugging Face Hub, fetched where a path `download:<name>` asks for them.

OUTPUTS: downloads/{download}, a file or a folder
"""


rule retrieve_file:
    """A file, checked by its SHA-256; what came before an interruption is kept."""
    output:
        "downloads/{download}",
    log:
        "<results>/logs/retrieve_file/{download}.log",
    wildcard_constraints:
        download=fetched(folder=False),
    retries: 2
    localrule: True
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(2000),
        attempt=lambda wildcards, attempt: attempt,  # another file than expected is not fetched again
        runtime=minutes(240),
    params:
        settings=lambda wildcards: download_settings(PLAN, wildcards.download),
        code="",  # a checksum says what it is, whatever code fetched it
    script:
        "../workflow_scripts/retrieve_file.py"


use rule retrieve_file as retrieve_folder with:
    output:
        directory("downloads/{download}"),
    log:
        "<results>/logs/retrieve_folder/{download}.log",
    wildcard_constraints:
        download=fetched(folder=True),
