package journal

import "fmt"

// Suspend closes the files, so that another process may go on with them. Until
// Resume, entries are kept in memory.
func (j *Journal) Suspend() error {
	j.drain()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.folder == nil || j.closed {
		return nil
	}
	j.suspended, j.folder = j.folder, nil
	if err := j.suspended.close(); err != nil {
		return fmt.Errorf("suspend the journal: %w", err)
	}
	return nil
}

// Resume goes on in the files, with what was kept in memory.
func (j *Journal) Resume() error {
	j.mu.Lock()
	old, kept := j.suspended, j.memory.list()
	if old == nil || j.closed {
		j.mu.Unlock()
		return nil
	}
	f, last, err := openFolder(old.options)
	if err != nil {
		j.mu.Unlock()
		return fmt.Errorf("resume the journal: %w", err)
	}
	j.folder, j.last, j.suspended, j.memory = f, last, nil, ring{most: memoryMax}
	j.mu.Unlock()
	for _, e := range kept {
		if _, err := j.Append(e); err != nil {
			return err
		}
	}
	return nil
}
