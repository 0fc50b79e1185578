package pool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"feedmill/internal/ipc/carrier"
)

// Find returns the worker program: path when it is given, else the file worker
// beside the program that runs now, else ../libexec/feedmill/worker from there, where
// make install puts it, else worker in $PATH. It fails with a [StartError].
func Find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", notFound(path, err)
		}
		return found, nil
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		for _, place := range []string{"worker", "../libexec/feedmill/worker"} {
			if found, err := exec.LookPath(filepath.Join(filepath.Dir(self), place)); err == nil {
				return found, nil
			}
		}
	}
	found, err := exec.LookPath("worker")
	if err != nil {
		return "", notFound("", err)
	}
	return found, nil
}

// passedOn are the variables that a worker gets from the coordinator's
// environment: what finding TLS roots, resolving names, Go's runtime and
// starting a process at all can depend on. Everything else stays here: credentials and whatever
// else is in an environment are not for a process that reads what strangers
// send.
var passedOn = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GORACE", "RES_OPTIONS", "LOCALDOMAIN", "SYSTEMROOT"}

// proxies are the variables that a worker gets too when it is to go through
// the proxies that the environment names, which may well have a password.
var proxies = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"}

// environ returns the whole environment of a worker. A worker parses one feed
// at a time, so it gets one CPU's worth of threads. memLimit, in bytes, is the
// soft limit of its heap; 0 means none. proxy is that of feeds.Options. What
// extra holds comes last and wins.
func environ(memLimit int64, proxy string, extra []string) []string {
	env := []string{"GOMAXPROCS=1"}
	if memLimit > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(memLimit, 10))
	}
	names := passedOn
	if proxy == "env" {
		names = append(names[:len(names):len(names)], proxies...)
	}
	for _, k := range names {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return append(env, extra...)
}

// envWorker is the variable in which a worker program finds its number, from 0 on:
// a script can tell by it on which machine to run the worker.
const envWorker = "FEEDMILL_WORKER"

// portsPerFlag keeps one argument well below the 128 KiB that Linux takes.
const portsPerFlag = 4096

// args returns the arguments of a worker: those that the caller gave, the ports
// that its sandbox is to leave it, which it must know before it reads anything,
// and how to reach the coordinator where it is not by pipe.
func (o *Options) args(generation uint32) []string {
	args := o.Args[:len(o.Args):len(o.Args)]
	for ports := range slices.Chunk(o.Refresh.Ports, portsPerFlag) {
		text := make([]string, len(ports))
		for i, p := range ports {
			text[i] = strconv.Itoa(int(p))
		}
		args = append(args, "--connect", strings.Join(text, ","))
	}
	if o.Mode != "" && o.Mode != carrier.Pipe {
		args = append(args, "--carrier", string(o.Mode), "--generation", fmt.Sprint(generation))
	}
	return args
}
