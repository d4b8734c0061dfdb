package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// doorName is the socket, in a folder that only one process at a time uses, at which a keeper can be met.
const doorName = "keeper.sock"

// inFolder is the name of the door that fits into a socket's address, however long the folder's own name is. The
// folder must stay open while it is used.
func inFolder(folder string) (*os.File, string, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, "", err
	}
	return dir, filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), doorName), nil
}

// OpenDoor listens in a folder of the data, in place of whoever did before, and returns the file of the listener.
func OpenDoor(folder string) (*os.File, error) {
	dir, name, err := inFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("open the keeper's door: %w", err)
	}
	defer dir.Close()
	_ = os.Remove(name) // listening says what else is wrong
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: name, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("open the keeper's door: %w", err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	return l.File()
}

// AnswerDoor waits until a time for a process of the same user, or root.
func AnswerDoor(door *os.File, until time.Time) (*Conn, error) {
	l, err := net.FileListener(door)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	if err := u.SetDeadline(until); err != nil {
		return nil, err
	}
	for {
		conn, err := u.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if trusted(conn) {
			return &Conn{unix: conn}, nil
		}
		conn.Close()
	}
}

func trusted(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return false
	}
	return peer.Uid == 0 || int(peer.Uid) == os.Geteuid()
}

// Claim asks a keeper in a folder of the data for what it holds. It returns nil, and no error, where there is none. One
// that ends before it answers is as good as none.
func Claim(folder string, until time.Time) (*Inheritance, error) {
	for {
		c, err := Knock(folder)
		if c == nil || err != nil {
			return nil, err
		}
		in, err := Receive(c, until)
		if err == nil {
			return in, nil
		}
		c.Close()
		if !errors.Is(err, unix.ECONNRESET) || !time.Now().Before(until) {
			return nil, fmt.Errorf("claim what a keeper holds: %w", err)
		}
		time.Sleep(claimAgain)
	}
}

// claimAgain is how soon a keeper is looked for that ended just now.
const claimAgain = 10 * time.Millisecond

// Knock meets a keeper in a folder of the data. It returns nil, and no error, where there is none.
func Knock(folder string) (*Conn, error) {
	dir, name, err := inFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("look for a keeper: %w", err)
	}
	defer dir.Close()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: name, Net: "unixpacket"})
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for a keeper: %w", err)
	}
	return &Conn{unix: conn}, nil
}
