package ipc

import (
	"encoding/binary"
	"hash/crc32"
)

// The header of a frame: its length, and the marks that make it msgpack, each
// with its place.
const (
	// HeaderSize is the length of a frame's header, in bytes.
	HeaderSize = 17
	headerSize = HeaderSize

	markArray = 0x94 // at 0: array of four
	markSeq   = 0xce // at 2: uint32
	markCRC   = 0xce // at 7: uint32
	markBin   = 0xc6 // at 12: bin32

	crcFrom, crcTo = 8, 12 // the four bytes that the checksum leaves out
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A header is what the first 17 bytes of a frame say.
type header struct {
	kind kind
	seq  uint32
	crc  uint32
	size uint32 // bytes of payload
}

// reserveHeader appends room for a header, which sealFrame fills in.
func reserveHeader(b []byte) []byte {
	var none [headerSize]byte
	return append(b, none[:]...)
}

// sealFrame fills in the header of a frame whose payload stands behind it. The
// payload must be shorter than 4 GiB.
//
// The checksum covers kind, sequence and length as well as the payload: a
// damaged length would otherwise be found out only by what follows it.
func sealFrame(frame []byte, k kind, seq uint32) {
	frame[0] = markArray
	frame[1] = byte(k)
	frame[2] = markSeq
	binary.BigEndian.PutUint32(frame[3:], seq)
	frame[7] = markCRC
	frame[12] = markBin
	binary.BigEndian.PutUint32(frame[13:], uint32(len(frame)-headerSize))
	binary.BigEndian.PutUint32(frame[crcFrom:], frameChecksum(frame))
}

func frameChecksum(frame []byte) uint32 { return checksum(headChecksum(frame), frame[headerSize:]) }

// FrameSize returns how long the frame is that b begins with, in bytes, or 0
// when none does whose payload has at most maxFrame bytes. b has at least
// HeaderSize bytes.
func FrameSize(b []byte, maxFrame uint32) int {
	h, ok := parseHeader(b)
	if !ok || h.size > maxFrame {
		return 0
	}
	return headerSize + int(h.size)
}

// Intact reports whether a whole frame is what its checksum says.
func Intact(frame []byte) bool {
	return binary.BigEndian.Uint32(frame[crcFrom:]) == frameChecksum(frame)
}

// headChecksum returns the CRC-32C of the header that b begins with, without
// the checksum's own bytes.
func headChecksum(b []byte) uint32 {
	crc := crc32.Update(0, castagnoli, b[:crcFrom])
	return crc32.Update(crc, castagnoli, b[crcTo:headerSize])
}

// checksum returns the CRC-32C of a frame of which that of the header is head.
func checksum(head uint32, payload []byte) uint32 {
	return crc32.Update(head, castagnoli, payload)
}

// parseHeader reads the header in b, which has at least 17 bytes, and reports
// whether its marks are in place. It judges nothing else.
func parseHeader(b []byte) (header, bool) {
	if b[0] != markArray || b[1] > 0x7f || b[2] != markSeq || b[7] != markCRC || b[12] != markBin {
		return header{}, false
	}
	return header{
		kind: kind(b[1]),
		seq:  binary.BigEndian.Uint32(b[3:]),
		crc:  binary.BigEndian.Uint32(b[crcFrom:]),
		size: binary.BigEndian.Uint32(b[13:]),
	}, true
}
