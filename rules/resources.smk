"""What a job asks for, and what is told of a run.

What is needed: PLAN and entry() of common.smk. What it gives: the parameter functions of `threads` and `resources`, and what the
Snakefile does when a run starts and when it fails.
"""

import os

from snakemake.logging import logger

from semihard.workflow.job_needs import Limits, images_of, synthesis_minutes, training_memory, training_minutes
from semihard.workflow.run_progress import RunProgress, State, job_of, what_failed
from semihard.workflow.slurm import QueueWatch, asked_by, check_queue, check_requests, partitions

CORES_PER_GPU = 4  # on a cluster, whose nodes are not known here: more would wait for ever where nodes are small
try:
    LIMITS = Limits.of(workflow.resource_settings.default_resources)  # of a cluster, in its profile
except InputError as error:
    sys.exit(f"The profile cannot be used:\n{error}")


def gpu_threads(most, trained=None):
    """The parameter function for the threads of a stage that takes GPUs: the same share of the cores as of the GPUs that
    Snakemake was given (--cores, --resources gpu=N), at most `most` for each, so that N of them run at once. trained: the
    wildcard of the entry that says how many GPUs it takes, one without."""

    def threads(wildcards):
        own = entry(trained, wildcards[trained]).processes if trained else 1
        given = workflow.global_resources
        if given["_cores"].value is None or not workflow.is_main_process:  # on a cluster; or in one of its jobs
            return LIMITS.within("threads", CORES_PER_GPU * own // LIMITS.nodes(own) if LIMITS.gpu else most)
        gpus = given["gpu"].value if "gpu" in given else 1
        return max(1, min(most * own, given["_cores"].value * own // max(1, gpus)))

    return threads


def cpu_threads(most):
    """Threads of a stage without a GPU."""
    return LIMITS.within("threads", most)


def gpus(wanted):
    """The parameter function for the GPUs of a stage: `wanted`, a number or the wildcard of the entry that has so many
    processes. None where they take several nodes, which are asked for as `gpus_of_nodes`."""

    def count(wildcards):
        processes = processes_of(wanted, wildcards)
        return LIMITS.within("gpu", processes) if LIMITS.nodes(processes) == 1 else 0

    return count


def processes_of(wanted, wildcards):
    return entry(wanted, wildcards[wanted]).processes if isinstance(wanted, str) else wanted


def nodes(trained):
    """The parameter function for the nodes of a training: several where its processes are more than a node's GPUs."""
    return lambda wildcards: LIMITS.nodes(processes_of(trained, wildcards))


def gpus_of_nodes(trained):
    """The parameter function for SLURM's `gres`, the GPUs of each of several nodes."""

    def of_each(wildcards):
        processes = processes_of(trained, wildcards)
        return f"gpu:{processes // LIMITS.nodes(processes)}" if LIMITS.nodes(processes) > 1 else None

    return of_each


def memory(megabytes):
    """The parameter function for a stage's memory: what it usually needs, or a function of its wildcards, and as much
    again with every further attempt."""
    return partial(growing, "mem_mb", megabytes)


def minutes(usual):
    """The parameter function for the time that a stage may take, likewise."""
    return partial(growing, "runtime", usual)


def growing(name, usual, wildcards, attempt):
    return LIMITS.within(name, (usual(wildcards) if callable(usual) else usual) * attempt)


def memory_to_train(wildcard, faceset):
    """What the training of an entry needs; faceset: the function that gives the name of what it is trained on."""
    return memory(
        lambda wildcards: training_memory(
            entry(wildcard, wildcards[wildcard]), images_of(PLAN.config, faceset(wildcards))
        )
    )


def minutes_to_train(wildcard, faceset):
    return minutes(
        lambda wildcards: training_minutes(
            PLAN.config, SECTION_OF[wildcard], wildcards[wildcard], faceset(wildcards), LIMITS.speed()
        )
    )


def longest_shard(wildcards):
    """Minutes of any shard of the study: the tasks of a job array have the time of its first."""
    return max(synthesis_minutes(PLAN.config, name, LIMITS.speed()) for name in PLAN.made_by("synthesize"))


def check_cluster():
    """Before the first job is submitted to SLURM: can it ever run? From then on, does one wait for ever?"""
    if workflow.executor_plugin.name == "slurm":
        asked(check_queue, os.getcwd())
        last = workflow.execution_settings.retries + 1
        jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
        asked(check_requests, [asked_by(job, attempt) for job in jobs for attempt in (1, last)], partitions())
        QueueWatch(os.getcwd()).start()


def tell_progress():
    """A line now and then that says how far the study is."""
    RunProgress(state_of_run, logger.info, PLAN.results).start()


def state_of_run():
    running, failed = set(workflow.scheduler.running), set(workflow.scheduler.failed)
    waiting = [job for job in workflow.dag.needrun_jobs() if job not in running | failed and job.log]
    return State(workflow.scheduler.finished_jobs, tuple(map(job_of, running)), tuple(map(job_of, waiting)))


def tell_failures():
    """What failed and why, when all that could be done is done."""
    failed = workflow.scheduler.failed
    if failed:
        logger.error(what_failed(map(job_of, failed), len(list(workflow.dag.needrun_jobs())) - len(failed)))


def own_set(wildcards):
    return wildcards.faceset


def set_of_generator(wildcards):
    return entry("generator", wildcards.generator).trained_on
