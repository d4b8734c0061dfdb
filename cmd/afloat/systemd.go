package main

import (
	"net"
	"os"
	"strings"
)

// notifySystemd tells systemd how this service stands, where it asks for that
// with Type=notify; see sd_notify(3).
func notifySystemd(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:]
	}
	conn, err := net.Dial("unixgram", name)
	if err != nil {
		return // then systemd does not wait for it either
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
