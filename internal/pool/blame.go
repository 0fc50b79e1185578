package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
)

const (
	// maxBlameless is how many processes in a row may die without one answer, and
	// how many in a run may be stopped, before jobs are charged although none seems
	// to be at fault: a worker that lies can stop itself after each answer.
	maxBlameless = 5
	// maxBreaches is how many breaches without one answer end a slot: more than
	// two feeds, one after the other, can be the reason of. One that took the
	// longest patience counts twice, and more than one feed then cannot.
	maxBreaches = 7
)

// errGivenUp is why a slot starts no more processes.
var errGivenUp = errors.New("its processes break the protocol, one after the other")

// blame takes back what a dead process had not answered, and answers the job
// that is now known to have killed it. It fails with errGivenUp when the worker
// has been at fault too often.
func (s *slot) blame(w *process) error {
	how := w.examine(s.shared.count.outOfMemory())
	s.mu.Lock()
	lost := len(s.ledger.sent)
	s.fails++
	s.breaches += how.breach
	switch how.alibi {
	case linkLost:
		s.away++
	case stoppedBySignal:
		s.stops++
	}
	if how.alibi != linkLost && max(s.fails, s.stops) > maxBlameless {
		how.alibi = noAlibi // it does not end, so it may be somebody after all
	}
	if w.link.elsewhere && (how.alibi == linkLost || w.killed() != nil) {
		s.leash = w.link.over()
	}
	suspects := s.urls(how.suspects)
	var guilty *lease
	if how.alibi == noAlibi {
		guilty = s.ledger.died(how.suspects)
	} else {
		s.ledger.takeBack()
	}
	over := s.breaches >= maxBreaches
	if over {
		s.over = "its worker was given up"
	}
	s.mu.Unlock()
	w.log.Warn("worker died", "class", how.class, "how", how.detail, "doing", how.work.String(),
		"suspects", suspects, "unanswered", lost)
	w.log.Debug("worker died", "stderr", w.tail.text())
	if guilty != nil {
		s.keepPoison(w, guilty, how)
		s.shared.out.put(feeds.Result{ID: guilty.job.ID, Class: how.class, Detail: how.detail, Attempts: guilty.deaths})
		wake(s.roomC)
	}
	s.shared.count.moved()
	if how.alibi == linkLost && s.shared.hopeless() {
		return fmt.Errorf("worker %d: its link was lost %d times without an answer", s.n, maxLost)
	}
	if over {
		w.log.Warn("worker is given up", "err", errGivenUp)
		return fmt.Errorf("worker %d was given up: %w", s.n, errGivenUp)
	}
	return nil
}

// maxKept is how many feeds that kill are kept in the life of a Pool. Each may
// have 50 MiB, and a folder that grows without end is a fault of its own.
const maxKept = 100

// keepPoison writes what is known of a job that killed its workers into the
// folder for it. That this fails changes nothing for the run.
func (s *slot) keepPoison(w *process, e *lease, f finding) {
	folder := s.shared.o.KeepPoison
	if folder == "" || !s.shared.count.keep(maxKept) {
		return
	}
	body, err := w.capture.Document(e.job.ID)
	if err != nil {
		w.log.Warn("no document kept", "feed", e.job.ID, "err", err)
	}
	name := filepath.Join(folder, fmt.Sprintf("%d-%016x", e.job.ID, xxhash.Sum64(body)))
	text := fmt.Sprintf("url: %s\nclass: %s\ndetail: %s\nattempts: %d\nbytes: %d\nsandbox: %s\n\nstderr of the worker:\n%s",
		feeds.RedactURL(e.job.URL), f.class, f.detail, e.deaths, len(body), w.hello.Sandbox, strings.ToValidUTF8(w.tail.text(), "?"))
	err = os.WriteFile(name+".txt", []byte(text), 0o600)
	if err == nil && body != nil {
		err = os.WriteFile(name+".body", body, 0o600)
	}
	if err != nil {
		w.log.Warn("feed that kills could not be kept", "feed", e.job.ID, "err", err)
		return
	}
	w.log.Info("kept feed that kills", "feed", e.job.ID, "file", name+".txt")
}
