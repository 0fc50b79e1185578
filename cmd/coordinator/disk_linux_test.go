package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/origin"
)

// apart runs a shell script that may mount file systems, and skips the test where
// that is not to be had. In it $C is the coordinator, $D an empty folder to mount
// at, $OUT one that stays, and all that it says is returned.
func apart(t *testing.T, out, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", "mount -t tmpfs tmpfs $D || exit 77\n"+script)
	cmd.Env = append(os.Environ(), "C="+filepath.Join(programs, "coordinator"), "D="+t.TempDir(), "OUT="+out)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	said, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("this system gives no mount namespace to whoever asks: %v %s", err, said)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return string(said)
}

// TestAFileSystemWithoutRoomIsSaid: no room for bytes or for names of files is
// status 4 and said in the system's words, and with room again the next round makes
// what it would have made.
func TestAFileSystemWithoutRoomIsSaid(t *testing.T) {
	t.Parallel()
	s := serve(t, origin.Options{Feeds: 40, Hosts: 40, Items: 10, Bytes: 2000})
	whole := filepath.Join(t.TempDir(), "whole.db")
	refreshed(t, whole, "--list", s.list).want(t, exitOK)
	for _, tt := range []struct{ room, says string }{
		{"size=600k", "full"},
		{"size=100k", "full"},
		{"nr_inodes=1", "no space left on device"}, // the folder has it
		{"nr_inodes=2", "no space left on device"},
		{"nr_inodes=3", "no space left on device"},
		{"nr_inodes=4", "no space left on device"},
	} {
		t.Run(tt.room, func(t *testing.T) {
			if raceEnabled && tt.room != "size=600k" {
				t.Skip("one kind of full is enough for the race detector")
			}
			out := t.TempDir()
			refresh := `"$C" --db $D/feeds.db refresh --list ` + s.list + ` --json --quiet --strict --allow-net 127.0.0.0/8 -n 2`
			said := apart(t, out, `mount -o remount,`+tt.room+` $D || exit 77
				`+refresh+` >$OUT/lines 2>$OUT/err; echo $?
				mount -o remount,size=100m,nr_inodes=1000 $D
				cp $D/feeds.db* $OUT/ 2>/dev/null
				`+refresh+` >/dev/null; echo $?
				mkdir $OUT/after && cp $D/feeds.db $OUT/after/`)
			if want := fmt.Sprintf("%d\n%d\n", exitStore, exitOK); said != want {
				t.Errorf("exit statuses %q, want %q", said, want)
			}
			if text := string(readFile(t, filepath.Join(out, "err"))); !strings.Contains(text, tt.says) || strings.Count(text, "error:") != 1 {
				t.Errorf("stderr says %q, want one error with %q", text, tt.says)
			}
			stored := 0
			lines, _ := parseLines(t, readFile(t, filepath.Join(out, "lines")))
			for _, l := range lines {
				stored += l.New
			}
			if db := filepath.Join(out, "feeds.db"); stored > 0 {
				if got := len(contents(t, db)); got != stored {
					t.Errorf("%d items are stored, %d were reported", got, stored)
				}
			}
			if got, want := contents(t, filepath.Join(out, "after", "feeds.db")), contents(t, whole); !slices.Equal(got, want) {
				t.Errorf("with room again: %s", firstDifference(got, want))
			}
		})
	}
}

// TestAReadOnlyFileSystemIsSaid: what needs no writing works there, and what does
// ends before anybody is asked, in the system's words.
func TestAReadOnlyFileSystemIsSaid(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 3, Hosts: 3, Items: 2})
	said := apart(t, t.TempDir(), `
		"$C" --db $D/feeds.db refresh --quiet --list `+s.list+` --allow-net 127.0.0.0/8 && mount -o remount,ro $D || exit 77
		try() { said=$("$C" --db $D/feeds.db "$@" 2>&1 >/dev/null); printf "%s\n" "$? $1 $2 $(echo "$said" | tr "\n" " ")"; }
		try refresh --force --allow-net 127.0.0.0/8
		try feeds add --offline http://127.0.0.1/new
		try feeds prune --keep 1 --delete
		try doctor
		try items
		try feeds list
		try items --cursor $D/cursor
		try page --out $D/site
		try items --format maildir --out $D/maildir`)
	if n := s.Requests().Requests; n != 3 {
		t.Errorf("%d requests, want the 3 of the first round", n)
	}
	for line := range strings.Lines(said) {
		words := strings.Fields(line)
		code, _ := strconv.Atoi(words[0])
		want := map[string]int{"refresh": exitStore, "feeds add": exitStore, "feeds prune": exitStore, "doctor": exitStore, "feeds list": exitOK,
			"items": exitOK, "items --cursor": exitUsage, "page --out": exitUsage, "items --format": exitUsage}
		name := words[1]
		if w, ok := want[strings.Join(words[1:min(3, len(words))], " ")]; ok {
			want[name] = w
		}
		if code != want[name] || code != 0 && !strings.Contains(line, "read-only file system") {
			t.Errorf("got %q, want status %d and the reason", line, want[name])
		}
	}
}

// TestTwoRunsOnAnOverlayExcludeEachOther: the store lies in a lower layer, and comes
// up into the upper one while both begin.
func TestTwoRunsOnAnOverlayExcludeEachOther(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 20, Hosts: 20, Items: 2})
	out := t.TempDir()
	said := apart(t, out, `
		mkdir $D/lower $D/upper $D/work $D/merged
		refresh() { "$C" --db $1/feeds.db refresh --force --quiet --list `+s.list+` --allow-net 127.0.0.0/8 2>/dev/null; echo $?; }
		refresh $D/lower
		mount -t overlay overlay -o lowerdir=$D/lower,upperdir=$D/upper,workdir=$D/work $D/merged || exit 77
		(refresh $D/merged >$OUT/one) & (refresh $D/merged >$OUT/two) & (refresh $D/merged >$OUT/three) & wait
		cat $OUT/one $OUT/two $OUT/three
		cp $D/merged/feeds.db $OUT/`)
	codes := strings.Fields(said)
	for _, code := range codes {
		if code != strconv.Itoa(exitOK) && code != strconv.Itoa(exitLocked) {
			t.Errorf("exit statuses %v, want %d and %d alone", codes, exitOK, exitLocked)
		}
	}
	if !slices.Contains(codes[1:], strconv.Itoa(exitOK)) {
		t.Errorf("exit statuses %v: none of the runs did its work", codes)
	}
	if got := len(contents(t, filepath.Join(out, "feeds.db"))); got != 40 {
		t.Errorf("%d items, want 40", got)
	}
}

// TestWhatCannotBeWrittenLeavesWhatWasThere: files that take results keep what they
// had when the disk is full, and the status says that results are missing.
func TestWhatCannotBeWrittenLeavesWhatWasThere(t *testing.T) {
	s := serve(t, origin.Options{Feeds: 20, Hosts: 20, Items: 10, Bytes: 2000})
	db := filepath.Join(t.TempDir(), "feeds.db")
	refreshed(t, db, "--list", s.list).want(t, exitOK)
	said := apart(t, t.TempDir(), `
		echo 7 >$D/cursor; echo old >$D/metrics; cp $D/cursor $D/kept
		DB='`+db+`'
		"$C" --db "$DB" page --out $D/site >/dev/null && cp -r $D/site $OUT/site
		dd if=/dev/zero of=$D/fill bs=4k count=1 2>/dev/null
		mount -o remount,size=$(df -k --output=used $D | tail -1 | tr -d ' ')k $D || exit 77
		try() { said=$("$C" --db "$DB" "$@" 2>&1 >/dev/null); printf "%s\n" "$? $1 $2 $(echo "$said" | head -1)"; }
		try items --cursor $D/cursor
		try page --out $D/site --title other
		try items --format maildir --out $D/maildir
		try refresh --force --allow-net 127.0.0.0/8 --metrics $D/metrics
		"$C" --db "$DB" items --limit 0 --format html >$D/kept 2>$OUT/err; echo $? items kept $(cat $OUT/err)
		"$C" --db "$DB" feeds export >/dev/full 2>$OUT/err; echo $? feeds export $(cat $OUT/err)
		"$C" --db "$DB" feeds list >/dev/full 2>$OUT/err; echo $? feeds list $(cat $OUT/err)
		"$C" --db "$DB" refresh --force --json --allow-net 127.0.0.0/8 >/dev/full 2>$OUT/err; echo $? refresh full $(cat $OUT/err)
		find $D -name '.cursor-*' -o -name '.metrics-*' -o -name '*.new' -o -path '*/maildir/tmp/*'
		cat $D/cursor $D/metrics`)
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) < 2 || !slices.Equal(lines[len(lines)-2:], []string{"7", "old"}) {
		t.Fatalf("the cursor and the metrics were touched:\n%s", said)
	}
	for _, line := range lines[:len(lines)-2] {
		if !strings.HasPrefix(line, strconv.Itoa(exitUsage)+" ") || !strings.Contains(line, "no space left on device") {
			t.Errorf("got %q, want status %d and the reason", line, exitUsage)
		}
	}
	if got := classesIn(t, db); got[feeds.OK]+got[feeds.NotModified]+got[feeds.Unchanged] != 20 {
		t.Errorf("feeds ended as %v, want what was done to be kept", got)
	}
}

// classesIn counts the feeds of a store by how they ended.
func classesIn(t *testing.T, db string) map[feeds.Class]int {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join(programs, "coordinator"), "--db", db, "feeds", "list", "--format", "jsonl")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	n := make(map[feeds.Class]int)
	for line := range strings.Lines(out.String()) {
		for _, c := range feeds.Classes() {
			if strings.Contains(line, `"class":"`+string(c)+`"`) {
				n[c]++
			}
		}
	}
	return n
}
