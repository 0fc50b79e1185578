package ipc

import "feedmill/internal/feeds"

// Call asks a manager to do something with one of its lists. Reply answers it;
// a proxy waits for that before it calls again.
type Call struct {
	Method      Method
	Incarnation uint32 // whose list it is
	ID          int64  // the job whose list it is; unused by MethodForget
	Items       []feeds.Item
}

// Reply is a manager's answer to a Call.
type Reply struct {
	Error string // why nothing was done; empty when it was
	More  bool   // another Reply with more items follows
	Items []feeds.Item
}

// A Method is what a Call asks for.
type Method uint8

// The methods. A list is made by the first call that adds to it.
const (
	MethodAppend Method = 1 // add one item at the end of a list
	MethodExtend Method = 2 // add items at the end of a list
	MethodGet    Method = 3 // return a list, which the manager then no longer has
	MethodForget Method = 4 // drop all lists of an incarnation
)

const (
	callFields  = 4
	replyFields = 3
)

func appendCall(b []byte, c *Call) []byte {
	b = appendArray(b, callFields)
	b = appendUint(b, uint64(c.Method))
	b = appendUint(b, uint64(c.Incarnation))
	b = appendInt(b, c.ID)
	return appendItemList(b, c.Items)
}

func decodeCall(payload []byte, in *chunk) (*Message, error) {
	r := newSpeller(payload)
	r.fields(callFields)
	c := &Call{
		Method:      Method(r.uintTo(uint64(MethodForget))),
		Incarnation: uint32(r.uintTo(1<<32 - 1)),
		ID:          r.int(),
		Items:       r.itemList(),
	}
	return r.finishItems(&Message{Call: c}, in)
}

func appendReply(b []byte, p *Reply) []byte {
	b = appendArray(b, replyFields)
	b = appendString(b, p.Error)
	b = appendBool(b, p.More)
	return appendItemList(b, p.Items)
}

func decodeReply(payload []byte, in *chunk) (*Message, error) {
	r := newSpeller(payload)
	r.fields(replyFields)
	p := &Reply{Error: r.string(), More: r.bool(), Items: r.itemList()}
	return r.finishItems(&Message{Reply: p}, in)
}
