package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is as whom the processes of a replica run; the zero account is that of Afloat.
type account struct {
	credential *syscall.Credential
	variables  map[string]string // HOME, USER and LOGNAME
}

// findAccount looks up a user and a group by name or number; both may be empty.
func findAccount(userName, groupName string) (account, error) {
	if userName == "" && groupName == "" {
		return account{}, nil
	}
	out := account{credential: &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}}
	if userName != "" {
		if err := out.setUser(userName); err != nil {
			return account{}, err
		}
	}
	if groupName != "" {
		gid, err := findGroup(groupName)
		if err != nil {
			return account{}, err
		}
		out.credential.Gid = gid
	}
	if os.Geteuid() != 0 {
		if int(out.credential.Uid) != os.Getuid() || int(out.credential.Gid) != os.Getgid() {
			return account{}, fmt.Errorf("run as user %d and group %d: Afloat is not root, and may not change them", out.credential.Uid, out.credential.Gid)
		}
		out.credential.NoSetGroups = true // it is as whom Afloat runs
	}
	return out, nil
}

func (a *account) setUser(name string) error {
	u, err := user.Lookup(name)
	if uid, bad := strconv.ParseUint(name, 10, 32); bad == nil {
		if u, err = user.LookupId(name); err != nil { // a number needs no entry
			a.credential.Uid, a.credential.Gid = uint32(uid), uint32(uid)
			return nil
		}
	}
	if err != nil {
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			return fmt.Errorf("there is no user %s on this machine", name)
		}
		return fmt.Errorf("look up user %s: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s has the number %q", name, u.Uid)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s has the group %q", name, u.Gid)
	}
	a.credential.Uid, a.credential.Gid = uint32(uid), uint32(gid)
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("look up the groups of user %s: %w", name, err)
	}
	for _, text := range groups {
		if id, err := strconv.ParseUint(text, 10, 32); err == nil {
			a.credential.Groups = append(a.credential.Groups, uint32(id))
		}
	}
	a.variables = map[string]string{"HOME": u.HomeDir, "USER": u.Username, "LOGNAME": u.Username}
	return nil
}

func findGroup(name string) (uint32, error) {
	if gid, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(gid), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s on this machine", name)
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("group %s has the number %q", name, g.Gid)
	}
	return uint32(gid), nil
}
