package pool

import (
	"os"
	"os/exec"
	"path/filepath"
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
