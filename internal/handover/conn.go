// Package handover passes what outlives a process to the one that takes its place: sockets, pipes, and what must be
// known about them. Each thing is an entry: a key, a value in JSON, and open files.
//
//	process ──Store.Attach──▶ keeper ──after its death──▶ next process
//	   └────────────Store.SendTo, in an upgrade──────────▶ next process
//
// Linux only: it needs SCM_RIGHTS and sockets that keep the bounds of messages.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of a message.
const (
	MessageMax = 128 << 10 // bytes
	FilesMax   = 16
)

// Message is an entry on its way, or word of it: one that is gone, or, with an empty Key, something that only the two
// ends understand.
type Message struct {
	Key   string          `json:"key,omitempty"`
	Gone  bool            `json:"gone,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Conn passes messages between two processes of one user.
type Conn struct {
	unix  *net.UnixConn
	write sync.Mutex
}

// Pair returns one end and the file of the other, to be given to a new process and then closed.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a pair of sockets: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "handover")
	theirs := os.NewFile(uintptr(fds[1]), "handover")
	c, err := Open(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c, theirs, nil
}

// Open makes a Conn of a file that [Pair] returned in another process. The file is closed.
func Open(f *os.File) (*Conn, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open the handover: %w", err)
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("open the handover: it is not a unix socket")
	}
	return &Conn{unix: u}, nil
}

// Close ends the connection; the other end gets io.EOF.
func (c *Conn) Close() error { return c.unix.Close() }

// Send passes a message and copies of open files within a time.
func (c *Conn) Send(m Message, within time.Duration, files ...syscall.Conn) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > MessageMax || len(files) > FilesMax {
		return fmt.Errorf("hand over %s: %d bytes and %d files are too many", m.Key, len(text), len(files))
	}
	fds, err := copies(files)
	defer closeAll(fds)
	if err != nil {
		return fmt.Errorf("hand over %s: %w", m.Key, err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.unix.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, _, err := c.unix.WriteMsgUnix(text, rights, nil); err != nil {
		return fmt.Errorf("hand over %s: %w", m.Key, err)
	}
	return nil
}

// copies are descriptors of the same files, so that those of the caller keep their ways of waiting.
func copies(files []syscall.Conn) ([]int, error) {
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return fds, err
		}
		var fd int
		var failed error
		if err := raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
			return fds, err
		}
		if failed != nil {
			return fds, failed
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// Receive waits for a message until a time; a zero time waits for ever. At the end it returns io.EOF.
func (c *Conn) Receive(until time.Time) (Message, []*os.File, error) {
	if err := c.unix.SetReadDeadline(until); err != nil {
		return Message{}, nil, err
	}
	text, rights := make([]byte, MessageMax+1), make([]byte, unix.CmsgSpace(4*FilesMax))
	n, r, flags, _, err := c.unix.ReadMsgUnix(text, rights)
	if err != nil {
		return Message{}, nil, err
	}
	files, err := received(rights[:r])
	if err == nil && n == 0 && r == 0 {
		err = io.EOF
	}
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("a message of the handover is too long")
	}
	var m Message
	if err == nil {
		err = json.Unmarshal(text[:n], &m)
	}
	if err != nil {
		CloseFiles(files)
		return Message{}, nil, err
	}
	return m, files, nil
}

func received(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "inherited"))
		}
	}
	return files, nil
}

// CloseFiles closes all of them.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
