package feeds

// A fifo is a first-in, first-out queue.
type fifo[T comparable] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) push(v T) {
	if len(f.items) == cap(f.items) && f.head > len(f.items)/2 {
		// Use the room in front rather than ask for more.
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, v)
}

func (f *fifo[T]) peek() (v T, ok bool) {
	if f.len() == 0 {
		return v, false
	}
	return f.items[f.head], true
}

func (f *fifo[T]) pop() (v T, ok bool) {
	if v, ok = f.peek(); !ok {
		return v, false
	}
	var zero T
	f.items[f.head] = zero
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return v, true
}

// remove takes out the first v, wherever it is.
func (f *fifo[T]) remove(v T) bool {
	for i := f.head; i < len(f.items); i++ {
		if f.items[i] == v {
			f.items = append(f.items[:i], f.items[i+1:]...)
			return true
		}
	}
	return false
}
