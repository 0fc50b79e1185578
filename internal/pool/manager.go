package pool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
)

// A keeper keeps the server process of the mode manager: the worker program,
// told to hold a dictionary. One that dies is replaced when somebody next needs it;
// what it held was not stored yet, so the jobs are done again.
type keeper struct {
	run *run

	mu      sync.Mutex // guards the fields below; held while a process is started and stopped
	current *managerProcess
	closed  bool
}

// A managerProcess is one that was started.
type managerProcess struct {
	address manager.Address
	cmd     *exec.Cmd
	stdin   io.Closer     // whose end is its own
	gone    chan struct{} // closed when it is reaped
	remove  func()        // removes what its socket leaves
}

// find returns where the manager is, and starts one where there is none, or
// where failed, which it has returned before, does not answer.
func (m *keeper) find(failed manager.Address) (manager.Address, error) {
	if given := m.run.o.Manager; given != nil {
		return *given, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return manager.Address{}, errors.New("the run is over")
	}
	if m.current != nil {
		select {
		case <-m.current.gone:
		default:
			if m.current.address.Addr != failed.Addr {
				return m.current.address, nil
			}
		}
		m.run.o.Logger.Warn("manager is replaced", "pid", m.current.cmd.Process.Pid)
		m.stop(0)
	}
	p, err := m.start()
	if err != nil {
		return manager.Address{}, fmt.Errorf("start manager: %w", err)
	}
	m.current = p
	m.run.o.Logger.Debug("manager started", "pid", p.cmd.Process.Pid)
	return p.address, nil
}

// start starts a manager that listens already.
func (m *keeper) start() (*managerProcess, error) {
	o := m.run.o
	l, remove, err := listenLocal()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	socket, err := l.File()
	if err != nil {
		remove()
		return nil, err
	}
	defer socket.Close()
	cmd := exec.Command(o.Path, append(slices.Clone(o.Args), "--manager")...)
	cmd.Env = environ(o.MemLimit, "", o.Env)
	attributes(cmd)
	cmd.ExtraFiles = append(make([]*os.File, carrier.FD-3), socket)
	cmd.Stderr = &tail{log: o.Logger}
	cmd.WaitDelay = o.StopGrace
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = m.run.starter.start(cmd)
	}
	if err != nil {
		remove()
		return nil, err
	}
	p := &managerProcess{
		address: manager.Address{Network: "unix", Addr: l.Addr().String(), Key: make([]byte, manager.KeySize)},
		cmd:     cmd, stdin: stdin, gone: make(chan struct{}), remove: remove,
	}
	go func() {
		defer close(p.gone)
		ended := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() { p.endIfStopped(o.HangAfter, o.Logger, ended) })
		cmd.Wait() // its state says what came of it
		close(ended)
		watching.Wait()
	}()
	rand.Read(p.address.Key)
	if _, err := stdin.Write(p.address.Key); err != nil {
		m.run.o.Logger.Debug("manager takes no key", "err", err) // it is gone, as the first caller will find
	}
	return p, nil
}

// endIfStopped kills a manager that a signal has stopped for as long as limit, and returns
// then or once ended is closed. Its callers wait for it in vain, and say in their
// heartbeats that all is well; when it is gone they find another one.
func (p *managerProcess) endIfStopped(limit time.Duration, log *slog.Logger, ended <-chan struct{}) {
	every := time.NewTicker(max(limit/8, time.Millisecond))
	defer every.Stop()
	for since := time.Now(); ; {
		select {
		case <-ended:
			return
		case now := <-every.C:
			if !isStopped(p.cmd.Process.Pid) {
				since = now
			} else if now.Sub(since) >= limit {
				log.Warn("manager is stopped", "pid", p.cmd.Process.Pid, "for", limit)
				p.cmd.Process.Kill() // it may be gone
				return
			}
		}
	}
}

// stop ends the process that there is, at once or after a grace, and counts
// what it cost. The caller holds m.mu.
func (m *keeper) stop(grace time.Duration) {
	p := m.current
	m.current = nil
	p.stdin.Close()
	if grace > 0 {
		select {
		case <-p.gone:
		case <-time.After(grace):
			m.run.o.Logger.Info("manager still there", "after", grace)
		}
	}
	p.cmd.Process.Kill() // it may be gone
	<-p.gone
	p.remove()
	if st := p.cmd.ProcessState; st != nil {
		m.run.count.bill(0, 0, st.UserTime()+st.SystemTime())
	}
}

// close ends the manager, once all who call it are gone.
func (m *keeper) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.current != nil {
		m.stop(m.run.o.StopGrace)
	}
}
