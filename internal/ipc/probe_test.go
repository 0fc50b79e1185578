package ipc_test

import (
	"bytes"
	"slices"
	"testing"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc"
)

// A stageLog is a probe that remembers: a stage when it begins, and the same
// plus 100 when it ends.
type stageLog []ipc.Stage

func (l *stageLog) Begin(s ipc.Stage, _ int64, _ int) { *l = append(*l, s) }
func (l *stageLog) End(s ipc.Stage)                   { *l = append(*l, s+100) }

func TestProbeSeesEveryStageOfAFrameInOrder(t *testing.T) {
	var pipe bytes.Buffer
	var sent, received stageLog
	sender, receiver := ipc.NewConn(nil, &pipe, ipc.Options{}), ipc.NewConn(&pipe, nil, ipc.Options{})
	sender.Probe(&sent)
	receiver.Probe(&received)
	for range 2 {
		if err := sender.SendResult(&feeds.Result{ID: 1, Class: feeds.OK}); err != nil {
			t.Fatal(err)
		}
		if _, err := receiver.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		end  string
		got  stageLog
		want stageLog
	}{
		{"sender", sent, stageLog{ipc.StageEncode, ipc.StageEncode + 100, ipc.StageWrite, ipc.StageWrite + 100}},
		{"receiver", received, stageLog{ipc.StageRead, ipc.StageRead + 100, ipc.StageDecode, ipc.StageDecode + 100}},
	} {
		if want := slices.Repeat(tt.want, 2); !slices.Equal(tt.got, want) {
			t.Errorf("%s: got stages %v, want %v", tt.end, tt.got, want)
		}
	}
}
