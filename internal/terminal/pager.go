package terminal

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
)

// Paged has write write to w, through a pager when w is a terminal that has
// fewer lines than are written. The pager is PAGER, a shell's command, else
// less where there is one; an empty PAGER and cat are none. Whoever leaves it
// early has seen enough, and one that cannot be started is done without.
//
// Rejected: a pager for results that other programs read. They go to a terminal
// by mistake, or to be copied from there.
func Paged(w io.Writer, write func(io.Writer) error) error {
	_, lines := size(w)
	command := pager()
	if lines == 0 || command == "" {
		return write(w)
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		w.Write(text.Bytes())
		return err
	}
	if bytes.Count(text.Bytes(), []byte("\n")) < lines {
		_, err := w.Write(text.Bytes())
		return err
	}
	// An interrupt is the pager's: it ends a search there, not what called it.
	kept := make(chan os.Signal, 1)
	signal.Notify(kept, os.Interrupt)
	defer signal.Stop(kept)
	out, _ := fileOf(w)
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = append(os.Environ(), unset("LESS", "FRX"), unset("LV", "-c")) // as git has them
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text.Bytes()), out, os.Stderr
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); err == nil || ok && exit.ExitCode() != notFound && exit.ExitCode() != notRunnable {
		return nil
	}
	_, err = w.Write(text.Bytes())
	return err
}

// What a shell ends with when it cannot start a command.
const (
	notRunnable = 126
	notFound    = 127
)

// pager returns the command of the pager, empty for none.
func pager() string {
	command, said := os.LookupEnv("PAGER")
	if os.Getenv("TERM") == "dumb" || command == "cat" {
		return ""
	}
	if !said {
		if _, err := exec.LookPath("less"); err == nil {
			return "less"
		}
	}
	return command
}

// unset returns a variable of the environment as it is, or else with a value.
func unset(name, value string) string {
	if said, ok := os.LookupEnv(name); ok {
		value = said
	}
	return name + "=" + value
}
