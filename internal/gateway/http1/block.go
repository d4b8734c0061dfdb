package http1

import (
	"math/bits"
	"sync"
)

const (
	blockSmall = 4 << 10  // a head and a small body
	blockLarge = 32 << 10 // a body in motion
)

// A block is a buffer that comes from a pool, if its size is one of two.
type block struct{ bytes []byte }

var (
	smallBlocks = sync.Pool{New: func() any { return &block{make([]byte, blockSmall)} }}
	largeBlocks = sync.Pool{New: func() any { return &block{make([]byte, blockLarge)} }}
)

// newBlock returns a block of at least n bytes. Its contents are arbitrary.
func newBlock(n int) *block {
	switch {
	case n <= blockSmall:
		return smallBlocks.Get().(*block)
	case n <= blockLarge:
		return largeBlocks.Get().(*block)
	default:
		return &block{make([]byte, 1<<bits.Len(uint(n-1)))}
	}
}

func (b *block) free() {
	switch len(b.bytes) {
	case blockSmall:
		smallBlocks.Put(b)
	case blockLarge:
		largeBlocks.Put(b)
	}
}
