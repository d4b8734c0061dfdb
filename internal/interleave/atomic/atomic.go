// Package atomic stands in for sync/atomic while schedules are explored: each
// operation is a step. It has what the explored packages use.
package atomic

import "github.com/afloat-dev/afloat/internal/interleave"

// number is what the integers share.
type number[T ~int32 | ~int64 | ~uint32 | ~uint64] struct{ v T }

func (n *number[T]) Load() T    { interleave.Step("load"); return n.v }
func (n *number[T]) Store(v T)  { interleave.Step("store"); n.v = v }
func (n *number[T]) Add(d T) T  { interleave.Step("add"); n.v += d; return n.v }
func (n *number[T]) Swap(v T) T { interleave.Step("swap"); old := n.v; n.v = v; return old }
func (n *number[T]) Or(m T) T   { interleave.Step("or"); old := n.v; n.v |= m; return old }
func (n *number[T]) And(m T) T  { interleave.Step("and"); old := n.v; n.v &= m; return old }
func (n *number[T]) CompareAndSwap(old, v T) bool {
	interleave.Step("cas")
	if n.v != old {
		return false
	}
	n.v = v
	return true
}

// Int32 stands in for atomic.Int32, and the others for theirs.
type (
	Int32  struct{ number[int32] }
	Int64  struct{ number[int64] }
	Uint32 struct{ number[uint32] }
	Uint64 struct{ number[uint64] }
)

// Bool stands in for atomic.Bool.
type Bool struct{ v bool }

func (b *Bool) Load() bool       { interleave.Step("load"); return b.v }
func (b *Bool) Store(v bool)     { interleave.Step("store"); b.v = v }
func (b *Bool) Swap(v bool) bool { interleave.Step("swap"); old := b.v; b.v = v; return old }
func (b *Bool) CompareAndSwap(old, v bool) bool {
	interleave.Step("cas")
	if b.v != old {
		return false
	}
	b.v = v
	return true
}

// Pointer stands in for atomic.Pointer.
type Pointer[T any] struct{ v *T }

func (p *Pointer[T]) Load() *T     { interleave.Step("load"); return p.v }
func (p *Pointer[T]) Store(v *T)   { interleave.Step("store"); p.v = v }
func (p *Pointer[T]) Swap(v *T) *T { interleave.Step("swap"); old := p.v; p.v = v; return old }
func (p *Pointer[T]) CompareAndSwap(old, v *T) bool {
	interleave.Step("cas")
	if p.v != old {
		return false
	}
	p.v = v
	return true
}
