package journal

import (
	"encoding/json"
	"errors"
	"os"
)

// folder is where a journal is kept: in files of what happens every day, and in
// others of what is to last, so that a storm of the former erases none of the
// latter.
type folder struct {
	options           Options
	everyday, lasting *files
}

// openFolder finds what is in a folder, which is made, and the ID of the last
// entry.
func openFolder(o Options) (*folder, uint64, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, 0, err
	}
	f := &folder{
		options:  o,
		everyday: &files{dir: o.Dir, prefix: "journal-", bytesMax: o.FileBytesMax, filesMax: max(o.FilesMax, 2)},
		lasting:  &files{dir: o.Dir, prefix: "lasting-", bytesMax: o.FileBytesMax, filesMax: max(o.FilesMax, 2)},
	}
	last := uint64(0)
	for _, each := range f.both() {
		id, err := each.open()
		if err != nil {
			return nil, 0, errors.Join(err, f.close())
		}
		last = max(last, id)
	}
	return f, last, nil
}

func (f *folder) both() []*files { return []*files{f.everyday, f.lasting} }

// of is where entries of a kind are kept.
func (f *folder) of(kind Kind) *files {
	for _, area := range everydayKinds {
		if kind.Within(area) {
			return f.everyday
		}
	}
	return f.lasting
}

func (f *folder) append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return f.of(e.Kind).append(e.ID, append(line, '\n'))
}

func (f *folder) sync() error {
	return errors.Join(f.everyday.sync(), f.lasting.sync())
}

func (f *folder) close() error {
	return errors.Join(f.everyday.close(), f.lasting.close())
}
