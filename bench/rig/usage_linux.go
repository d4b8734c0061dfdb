package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// userTick is the unit of times in /proc. It is 100 Hz for programs whatever
// the kernel's own clock is.
const userTick = time.Second / 100

// CPU is the processor time that a process, its descendants, and those of them
// that have ended have used.
func CPU(pid int) (total time.Duration, err error) {
	for _, one := range Family(pid) {
		fields, err := statFields(one)
		if err != nil && one == pid {
			return 0, err
		}
		if err != nil {
			continue // it has ended, and counts with its parent
		}
		for _, field := range fields[11:15] { // utime, stime and, of ended children, the same; counted from the state on
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(ticks) * userTick
		}
	}
	return total, nil
}

// statFields are the fields of /proc/PID/stat after the program's name, which
// may hold anything.
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// Family is a process and its descendants.
func Family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i])) // only a bad pattern fails
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // a thread that has ended has no children
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// Busy is how long a core has been busy, whoever kept it so, and since when it
// counts. A core below zero stands for all together.
func Busy(core int) (busy, total time.Duration, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	name := fmt.Sprintf("cpu%d ", core)
	if core < 0 {
		name = "cpu "
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name) {
			continue
		}
		for i, field := range strings.Fields(line)[1:] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, 0, err
			}
			switch i {
			case 3, 4: // idle, and idle while a disk works
				total += time.Duration(ticks) * userTick
			case 8, 9: // time of guests: counted before
			default:
				busy += time.Duration(ticks) * userTick
				total += time.Duration(ticks) * userTick
			}
		}
		return busy, total, nil
	}
	return 0, 0, fmt.Errorf("/proc/stat does not know core %d", core)
}
