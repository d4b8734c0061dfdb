package main

import (
	"net"
	"path/filepath"
)

// logs is where a proxy sends its access log that writes none to a file: a
// syslog that reads all and keeps nothing.
type logs struct {
	path string
	conn *net.UnixConn
}

func openLogs(dir string) (*logs, error) {
	l := &logs{path: filepath.Join(dir, "log.socket")}
	var err error
	if l.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path, Net: "unixgram"}); err != nil {
		return nil, err
	}
	go func() {
		for line := make([]byte, 64<<10); ; {
			if _, err := l.conn.Read(line); err != nil {
				return // it is closed
			}
		}
	}()
	return l, nil
}

func (l *logs) close() { _ = l.conn.Close() } // nothing of it is kept
