package postgres

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// An array is an argument as the server reads it.
//
// Rejected: the driver's own arrays. They make a value of each element and ask what it is,
// and what they are written to grows by steps.
type array struct {
	n     int
	bytes []byte // each element after its length
}

// column makes one argument of what rows have in common.
func column[R any, T int64 | int32 | bool | string | [16]byte](rows []*R, of func(*R) T) array {
	a := array{len(rows), make([]byte, 0, 16*len(rows))}
	for _, r := range rows {
		switch v := any(of(r)).(type) {
		case int64:
			a.bytes = appendInt(a.bytes, v)
		case int32:
			a.bytes = binary.BigEndian.AppendUint32(append(a.bytes, 0, 0, 0, 4), uint32(v))
		case bool:
			a.bytes = append(a.bytes, 0, 0, 0, 1, 0)
			if v {
				a.bytes[len(a.bytes)-1] = 1
			}
		case string:
			a.bytes = appendText(a.bytes, v)
		case [16]byte:
			a.bytes = append(append(a.bytes, 0, 0, 0, 16), v[:]...)
		}
	}
	return a
}

// unnested returns a query for the rows of which $1, $2 and so on are the columns, which
// are given as "name kind, …".
//
// Rejected: unnest in the FROM clause, where the server first writes each array into a
// table of its own.
func unnested(columns string) string {
	var b strings.Builder
	for i, column := range strings.Split(columns, ", ") {
		name, kind, _ := strings.Cut(column, " ")
		fmt.Fprintf(&b, ", unnest($%d::%s[]) AS %s", i+1, kind, name)
	}
	return "(SELECT " + b.String()[2:] + ")"
}

// takeArrays has a connection take an array where a statement wants one of its kind.
func takeArrays(c *pgx.Conn) {
	for _, oid := range []uint32{pgtype.Int8ArrayOID, pgtype.Int4ArrayOID, pgtype.BoolArrayOID, pgtype.TextArrayOID, pgtype.ByteaArrayOID, pgtype.UUIDArrayOID} {
		t, _ := c.TypeMap().TypeForOID(oid)
		c.TypeMap().RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrayCodec{t.Codec.(*pgtype.ArrayCodec)}})
	}
}

// An arrayCodec is the driver's, for an array too.
type arrayCodec struct{ *pgtype.ArrayCodec }

// PlanEncode is part of pgtype.Codec.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(array); ok && format == pgtype.BinaryFormatCode {
		return elementOID(c.ElementType.OID)
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// An elementOID is how an array of its elements is encoded.
type elementOID uint32

// Encode is part of pgtype.EncodePlan.
func (oid elementOID) Encode(value any, buf []byte) ([]byte, error) {
	a := value.(array)
	if need := 20 + len(a.bytes); cap(buf)-len(buf) < need { // and others follow
		buf = slices.Grow(buf, 8*need)
	}
	for _, n := range [...]uint32{1, 0, uint32(oid), uint32(a.n), 1} { // dimensions, no NULL, and the only dimension's size and first index
		buf = binary.BigEndian.AppendUint32(buf, n)
	}
	return append(buf, a.bytes...), nil
}
