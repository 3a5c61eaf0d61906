"""A real SLURM on this machine: munge, accounting, a controller and two nodes with two pretended GPUs each, on loopback.

Needs root and SLURM's Debian packages (make test-slurm). Everything lies in one folder but two links in /etc/slurm, which the batch
step of Snakemake's executor needs: it drops SLURM_CONF from the environment.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.waiting import wait_for

PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch")
NODES, GPUS, CPUS, MEMORY = ("node1", "node2"), 2, 2, 9000  # of a node; they share the machine
CONTROLLER_PORT, ACCOUNTING_PORT, NODE_PORT = 26817, 26819, 27001
SYSTEM = Path("/etc/slurm")

DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""

CONFIGURATION = """\
ClusterName=semihard
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
PlugStackConfig=/dev/null
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
ReturnToService=2
JobRequeue=1
KillWait=20
MinJobAge=300
SlurmctldTimeout=60
SlurmdTimeout=10
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
NodeName=DEFAULT CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:fake:{gpus} State=UNKNOWN
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=10 State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL Default=NO MaxTime=1-0 State=UP PriorityTier=10 PreemptMode=OFF
"""


class Cluster:
    """The cluster in `folder`. `start` it, `stop` it; commands run with its configuration."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
        self._links = [SYSTEM / name for name in ("slurm.conf", "gres.conf")]

    def run(self, *command: str, check: bool = True) -> str:
        """What a command says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self) -> None:
        """Bring everything up; returns when both nodes are idle."""
        (self.folder / "state").mkdir(parents=True)
        self._write("munge.key", os.urandom(1024), 0o400)
        names = {"folder": self.folder, "host": socket.gethostname().split(".")[0]}
        names |= {"controller": CONTROLLER_PORT, "accounting": ACCOUNTING_PORT}
        names |= {"cpus": CPUS, "memory": MEMORY, "gpus": GPUS}
        nodes = [
            f"NodeName={node} NodeHostname={names['host']} NodeAddr=127.0.0.1 Port={NODE_PORT + k}"
            for k, node in enumerate(NODES)
        ]
        self._write("slurm.conf", CONFIGURATION.format(nodes="\n".join(nodes), **names).encode())
        self._write("slurmdbd.conf", DATABASE.format(**names).encode(), 0o600)
        self._write("gres.conf", "".join(f"{line}\n" for line in self._pretended_gpus()).encode())
        SYSTEM.mkdir(exist_ok=True)
        for link in self._links:
            if link.exists() or link.is_symlink():
                raise FileExistsError(f"{link} is there: this machine has a SLURM of its own")
            link.symlink_to(self.folder / link.name)
        self._start_munge_and_accounting()
        self.run("slurmctld")
        for node in NODES:
            self.start_node(node)
        wait_for(self._idle, "two idle nodes")

    def _write(self, name: str, content: bytes, mode: int = 0o644) -> None:
        (self.folder / name).write_bytes(content)
        (self.folder / name).chmod(mode)

    def _pretended_gpus(self) -> list[str]:
        """The lines of gres.conf; a GPU is a device that swallows everything."""
        for node in NODES:
            for k in range(GPUS):
                self.run("mknod", str(self.folder / f"{node}_gpu{k}"), "c", "1", "3")
        return [f"NodeName={node} Name=gpu Type=fake File={self.folder}/{node}_gpu[0-{GPUS - 1}]" for node in NODES]

    def _start_munge_and_accounting(self) -> None:
        at = self.folder
        self.run(
            "munged", "--force", f"--key-file={at}/munge.key", f"--socket={at}/munge.socket", f"--pid-file={at}/munged.pid",
            f"--log-file={at}/munged.log", f"--seed-file={at}/munge.seed", "--num-threads=2",
        )  # fmt: skip
        self.run(
            "mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={at}/database",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        with (at / "mariadbd.out").open("wb") as out:
            subprocess.Popen(
                ["mariadbd", "--no-defaults", "--user=root", f"--datadir={at}/database", f"--socket={at}/mysql.sock",
                 f"--pid-file={at}/mariadbd.pid", "--skip-networking", "--innodb-buffer-pool-size=64M"],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        ping = ("mariadb-admin", "--no-defaults", f"--socket={at}/mysql.sock", "--user=root", "ping")
        wait_for(lambda: subprocess.run(ping, capture_output=True).returncode == 0, "the database")
        environment = self.environment | {"MYSQL_UNIX_PORT": f"{at}/mysql.sock"}
        subprocess.run(["slurmdbd"], env=environment, check=True)
        wait_for(lambda: listens(ACCOUNTING_PORT), "slurmdbd")
        for what in (
            ("cluster", "semihard"),
            ("account", "lab", "Cluster=semihard"),
            ("user", "root", "Account=lab", "Cluster=semihard"),
        ):
            self.run("sacctmgr", "-i", "add", *what)

    def start_node(self, node: str) -> None:
        """Start (or start again) the daemon of a node."""
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self.run("slurmd", "-N", node)

    def restart_controller(self) -> None:
        """As after an update of the cluster: what runs goes on running."""
        self._end("slurmctld.pid")
        self.run("slurmctld")

    def fail_node(self, node: str) -> None:
        """The node is gone at once, with all that ran on it."""
        pid = int((self.folder / f"slurmd-{node}.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        for job in [job[0] for job in self.jobs() if job[2] == node]:
            for process in processes_of(job):
                kill(process, signal.SIGKILL)

    def jobs(self, form: str = "%i|%T|%N|%k|%r") -> list[list[str]]:
        """The queue: a list of id, state, nodes, comment and reason for every job."""
        return [line.split("|") for line in self.run("squeue", "--noheader", f"--format={form}").splitlines()]

    def start_now(self, job: str) -> None:
        """Do not wait for the two minutes for which SLURM holds back a job that it has put back into the queue."""
        wait_for(lambda: [job, "PENDING"] in [row[:2] for row in self.jobs()], f"job {job} in the queue")
        self.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def running(self, rule: str) -> list[str] | None:
        """The first running job of a rule."""
        return next((job for job in self.jobs() if job[1] == "RUNNING" and job[3].startswith(f"rule_{rule}")), None)

    def script_of(self, rule: str) -> int:
        """The process that runs the script of a rule's first running job."""
        name = f".{rule}.py\0".encode()  # Snakemake runs a copy of the script, with more before its name
        return next(pid for pid in processes_of(self.running(rule)[0]) if command_of(pid).endswith(name))

    def _idle(self) -> bool:
        return self.run("sinfo", "--noheader", "-N", "-p", "gpu", "-o", "%T").split() == ["idle"] * len(NODES)

    def wait_until_empty(self) -> None:
        """Until there is no job in the queue; one that is being ended counts as well."""
        wait_for(lambda: not self.jobs("%i"), "an empty queue")

    def clear(self) -> None:
        """No job in the queue, all nodes idle."""
        self.run("scancel", "--user=root", "--signal=KILL", "--full", check=False)
        self.run("scancel", "--user=root")
        self.wait_until_empty()
        for node in NODES:
            if not is_alive(self.folder / f"slurmd-{node}.pid"):
                self.start_node(node)
        wait_for(self._idle, "idle nodes")

    def stop(self) -> None:
        """End what was started here, and nothing else."""
        if (self.folder / "slurmctld.pid").exists():
            self.run("scancel", "--user=root", check=False)
        for name in (
            *(f"slurmd-{node}.pid" for node in NODES),
            "slurmctld.pid",
            "slurmdbd.pid",
            "mariadbd.pid",
            "munged.pid",
        ):
            self._end(name)
        for link in self._links:
            if link.is_symlink() and link.readlink() == self.folder / link.name:
                link.unlink()

    def _end(self, pid_file: str) -> None:
        path = self.folder / pid_file
        if is_alive(path):
            pid = int(path.read_text())
            kill(pid, signal.SIGTERM)
            wait_for(lambda: not exists(pid), f"the end of {pid_file}")


def missing() -> str | None:
    """Why there can be no cluster here, if there cannot."""
    if os.geteuid():
        return "a SLURM of one's own needs root"
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)} (make test-slurm installs them)" if lacking else None


def listens(port: int) -> bool:
    """True where somebody listens on a port of this machine."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def exists(pid: int) -> bool:
    """True while the process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_alive(pid_file: Path) -> bool:
    """True while the process of a pid file runs."""
    return pid_file.exists() and bool(text := pid_file.read_text().strip()) and exists(int(text))


def command_of(pid: int) -> bytes:
    """The command line of a process, b"" where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def processes_of(job: str) -> list[int]:
    """The processes of a SLURM job: by their environment, and those that watch over them by their name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            name = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"SLURM_JOB_ID={job}".encode() in environment or f"slurmstepd: [{job}.".encode() in name:
            found.append(int(folder.name))
    return found
