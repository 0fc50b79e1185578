package feeds

// A Decline is why the fast reader left a document to gofeed. 0 means that it
// did not. The words that String returns are part of the command line's output.
type Decline uint8

// The reasons.
const (
	DeclineJSON      Decline = iota + 1 // JSON Feed that is not just as its format says
	DeclineBroken                       // the document ends early or breaks
	DeclineRepaired                     // something forbidden was replaced
	DeclineUnclosed                     // an element that counts has no end tag
	DeclineNamespace                    // a namespace bound in an unusual way
	DeclineOrder                        // a second channel, or items before the first
	DeclineMarkup                       // elements where only text is expected
	DeclineBinary                       // content in base64
	DeclineItems                        // more items than are read
	DeclinePanic                        // it panicked, which was caught

	declines // how many there are, with 0
)

// Declines returns every reason once.
func Declines() []Decline {
	all := make([]Decline, 0, declines-1)
	for d := DeclineJSON; d < declines; d++ {
		all = append(all, d)
	}
	return all
}

var declineWords = [declines]string{
	"", "json", "broken", "repaired", "unclosed", "namespace", "order", "markup", "binary", "items", "panic",
}

// String returns the reason as one word; "" for none.
func (d Decline) String() string {
	if d < declines {
		return declineWords[d]
	}
	return "unknown"
}
