package tsdb

import "testing"

func TestStoreTakesHalfOfItsDiskAtMost(t *testing.T) {
	s := &Store{options: Options{Dir: t.TempDir(), Config: Config{SizeBytes: sizeMax}}}
	_, all, err := freeBytes(s.options.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.sizeBytes(); got != int64(all/2) {
		t.Errorf("got %d of %d bytes", got, all)
	}
	s.options.SizeBytes = sizeMin
	if got := s.sizeBytes(); got != sizeMin {
		t.Errorf("got %d, want %d", got, sizeMin)
	}
}
