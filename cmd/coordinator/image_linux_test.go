package main

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"feedmill/internal/origin"
)

// With envImage set to a folder this test binary makes it its root, with /proc and
// /dev as a container has them, and becomes its arguments.
const envImage = "FEEDMILL_TEST_IMAGE"

// imageUser is who runs in the image.
const imageUser = 65532

func init() {
	inAnImage = runInAnImage
	parts[envImage] = becomeRoot
}

// becomeRoot is main of that program.
func becomeRoot(root string) int {
	runtime.LockOSThread() // namespaces are a thread's until it becomes another program
	os.Unsetenv(envImage)
	err := syscall.Unshare(syscall.CLONE_NEWNS)
	for _, mount := range [][2]string{{"", "/"}, {"/proc", root + "/proc"}, {"/dev", root + "/dev"}} {
		flags := syscall.MS_BIND | syscall.MS_REC
		if mount[0] == "" {
			flags = syscall.MS_PRIVATE | syscall.MS_REC // what is mounted is seen here alone
		}
		err = errors.Join(err, os.MkdirAll(mount[1], 0o755))
		if err == nil {
			err = syscall.Mount(mount[0], mount[1], "", uintptr(flags), "")
		}
	}
	if err == nil {
		err = errors.Join(syscall.Chroot(root), os.Chdir("/"), syscall.Setgroups(nil), syscall.Setgid(imageUser), syscall.Setuid(imageUser))
	}
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "become", os.Args[1:], err)
	return 1
}

// runInAnImage does with a folder in which make install has put all into /usr what
// the Containerfile makes of it, as far as that goes without a builder: it begins
// with nothing, so the programs must be static, and all that they need is in the
// folder. It becomes the root of a refresh over https. .ci/image has a builder do it.
func runInAnImage(t *testing.T, root string) {
	last := string(readFile(t, filepath.Join("..", "..", "Containerfile")))
	user := fmt.Sprintf("%d:%[1]d", imageUser)
	for _, want := range []string{"\nFROM scratch\n", "\nCOPY system/ /\n", "\nCOPY --chown=" + user + " user/ /\n", "\nUSER " + user + "\n"} {
		if !strings.Contains(last, want) {
			t.Fatalf("the Containerfile has no %q:\n%s", want, last)
		}
	}
	var entry []string
	if m := regexp.MustCompile(`(?m)^ENTRYPOINT (.*)$`).FindStringSubmatch(last); m == nil || json.Unmarshal([]byte(m[1]), &entry) != nil {
		t.Fatalf("no ENTRYPOINT:\n%s", last)
	}
	var env []string
	for _, m := range regexp.MustCompile(`(?m)^ENV (.*)$`).FindAllStringSubmatch(last, -1) {
		env = append(env, strings.Fields(m[1])...)
	}
	for _, name := range []string{"usr/bin/coordinator", "usr/libexec/feedmill/worker"} {
		program, err := elf.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		libraries, _ := program.ImportedLibraries()
		for _, p := range program.Progs {
			if p.Type == elf.PT_INTERP || len(libraries) > 0 {
				t.Errorf("%s is not static: it wants %q", name, libraries)
			}
		}
		program.Close()
	}
	if os.Getuid() != 0 {
		t.Log("only root may give a program another root: not run")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := origin.New(origin.Options{Feeds: 3, Hosts: 3, Items: 2, HTTPS: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(t.Context())
	certs := filepath.Join(root, "etc/ssl/certs")
	for _, dir := range []string{certs, filepath.Join(root, "data"), filepath.Join(root, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(dir) == root {
			if err := os.Chown(dir, imageUser, imageUser); err != nil {
				t.Fatal(err)
			}
			if filepath.Base(dir) == "tmp" { // as make image-root makes it
				os.Chmod(dir, 0o777|os.ModeSticky)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(certs, "ca-certificates.crt"), s.AuthorityPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"refresh", "--strict", "--allow-net", "127.0.0.0/8"}
	for url := range s.URLs() {
		args = append(args, url)
	}
	for _, args := range [][]string{{"doctor"}, args, {"items"}} {
		cmd := exec.Command(self, append(slices.Clone(entry), args...)...)
		cmd.Env = append(slices.Clone(env), envImage+"="+root)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("in the image, %q: %v\n%s", args, err, out)
		}
		if args[0] == "items" && strings.Count(string(out), "\n") != 7 {
			t.Errorf("in the image there are not 6 items:\n%s", out)
		}
	}
}
