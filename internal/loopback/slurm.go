package loopback

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Slurm is a cluster on this machine: Debian's slurm-wlm and munge with a
// configuration and state of their own. Every node has one CPU, and a process
// namespace of its own, so that it can be killed with all that runs on it.
type Slurm struct {
	dir   string
	munge *child
	head  *child
	nodes []*child
}

// ErrNoSlurm says why no cluster can be started here. It is a reason to skip.
var ErrNoSlurm = errors.New("no Slurm")

// NewSlurm starts a cluster of so many nodes, named node1 and so on.
func NewSlurm(ctx context.Context, nodes int) (s *Slurm, err error) {
	for _, name := range []string{"munged", "slurmctld", "slurmd", "sbatch"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w: %s is missing (Debian packages slurm-wlm and munge)", ErrNoSlurm, name)
		}
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%w: its programs run as root here", ErrNoSlurm)
	}
	if out, err := exec.CommandContext(ctx, "unshare", append(namespace, "true")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: unshare: %w: %s", ErrNoSlurm, err, tail(string(out), 3))
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	host, _, _ = strings.Cut(host, ".")
	// A socket's path is at most 108 bytes long, test directories are longer.
	dir, err := os.MkdirTemp("", "slurm")
	if err != nil {
		return nil, err
	}
	s = &Slurm{dir: dir}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	key := make([]byte, 1024)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "munge.key"), key, 0o600); err != nil {
		return nil, err
	}
	for _, name := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	socket := filepath.Join(dir, "munge.socket")
	made := func(context.Context) error { _, err := os.Stat(socket); return err }
	s.munge, err = start(ctx, dir, "munged", made, "munged", "--foreground", "--force", "--socket="+socket, "--key-file="+filepath.Join(dir, "munge.key"),
		"--pid-file="+filepath.Join(dir, "munge.pid"), "--seed-file="+filepath.Join(dir, "munge.seed"))
	if err != nil {
		return nil, err
	}
	s.head, _, err = startOnPorts(ctx, 1+nodes, func(ports []int) (*child, error) {
		config := fmt.Sprintf(slurmConfig, host, ports[0], socket, dir)
		for i, port := range ports[1:] {
			config += fmt.Sprintf("NodeName=node%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=1 State=UNKNOWN\n", i+1, host, port)
		}
		if err := os.WriteFile(s.config(), []byte(config), 0o644); err != nil {
			return nil, err
		}
		return start(ctx, dir, "slurmctld", s.answers("scontrol", "ping"), "slurmctld", "-D", "-f", s.config())
	})
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		name := fmt.Sprintf("node%d", i+1)
		args := append(slices.Clone(namespace), "slurmd", "-D", "-N", name, "-f", s.config())
		node, err := start(ctx, dir, name, s.idle(name), "unshare", args...)
		if err != nil {
			return nil, err
		}
		s.nodes = append(s.nodes, node)
	}
	return s, nil
}

// namespace are the arguments of unshare for a process namespace that ends with
// unshare.
var namespace = []string{"--pid", "--fork", "--kill-child", "--mount-proc"}

func (s *Slurm) config() string { return filepath.Join(s.dir, "slurm.conf") }

// answers wants a client to succeed.
func (s *Slurm) answers(name string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Run(ctx, "", name, args...)
		return err
	}
}

// idle wants the cluster to see a node without work.
func (s *Slurm) idle(node string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := s.Run(ctx, "", "sinfo", "--noheader", "--nodes="+node, "--format=%T")
		if state := strings.TrimSpace(string(out)); err == nil && state != "idle" {
			err = fmt.Errorf("%s is %s", node, state)
		}
		return err
	}
}

// Run calls one of Slurm's clients in a directory and returns what it prints.
func (s *Slurm) Run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// Jobs have the environment of sbatch, and what a killed one leaves goes with the cluster.
	cmd.Env = append(os.Environ(), "SLURM_CONF="+s.config(), "TMPDIR="+filepath.Join(s.dir, "tmp"))
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(complaint.String(), 3))
	}
	return out.Bytes(), nil
}

// Task is a task of a job array.
type Task struct {
	Number string
	State  string // as squeue has it: PENDING, RUNNING, COMPLETED, FAILED, …
	Node   string
}

// Tasks are the tasks of a job array, in the order of their numbers.
func (s *Slurm) Tasks(ctx context.Context, job string) ([]Task, error) {
	out, err := s.Run(ctx, "", "squeue", "--noheader", "--array", "--states=all", "--jobs="+job, "--format=%K %T %N")
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for line := range strings.Lines(string(out)) {
		if f := append(strings.Fields(line), ""); len(f) > 2 {
			tasks = append(tasks, Task{f[0], f[1], f[2]})
		}
	}
	slices.SortFunc(tasks, func(a, b Task) int { return strings.Compare(a.Number, b.Number) })
	return tasks, nil
}

// Kill kills a node and what runs on it at once. The cluster is told, as it would
// find out by itself after SlurmdTimeout.
func (s *Slurm) Kill(ctx context.Context, node string) error {
	for i, c := range s.nodes {
		if c.name == node {
			s.nodes = slices.Delete(s.nodes, i, i+1)
			if err := c.process.Kill(); err != nil {
				return err
			}
			<-c.done
			_, err := s.Run(ctx, "", "scontrol", "update", "nodename="+node, "state=down", "reason=killed")
			return err
		}
	}
	return fmt.Errorf("no node %q runs", node)
}

// Close ends the cluster.
func (s *Slurm) Close() {
	for _, c := range append(s.nodes, s.head, s.munge) {
		if c != nil {
			c.Close()
		}
	}
	_ = os.RemoveAll(s.dir)
}

// slurmConfig takes the host's name, the port, munge's socket and the directory.
// Without CommunicationParameters its programs listen on every address.
const slurmConfig = `ClusterName=loopback
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]d
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=%[3]s
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=%[4]s/state
SlurmdSpoolDir=%[4]s/spool-%%n
SlurmctldPidFile=%[4]s/slurmctld.pid
SlurmdPidFile=%[4]s/slurmd-%%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=0,bf_interval=1
MpiDefault=none
ReturnToService=2
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PartitionName=rebuild Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`
