package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"

	"feedmill/internal/feeds"
)

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
