// Command signals measures what it costs to keep metrics: it runs the real
// program with so many endpoints that there are about 1,000 and 10,000 series,
// with the store and without, and prints memory and processor time.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

func main() {
	program := flag.String("afloat", "bin/afloat", "the program")
	lasts := flag.Duration("for", time.Minute, "how long each case runs")
	flag.Parse()
	fmt.Println("| Series | Store | Resident | Of it heap and stacks | Processor | Gathering |\n|---|---|---|---|---|---|")
	for _, endpoints := range []int{15, 240} {
		for _, disabled := range []bool{true, false} {
			row, err := measure(*program, endpoints, disabled, *lasts)
			if err != nil {
				fmt.Fprintln(os.Stderr, "signals:", err)
				os.Exit(1)
			}
			fmt.Println(row)
		}
	}
}

// clockTicks is how many ticks of /proc/PID/stat make a second on Linux.
const clockTicks = 100

// measure runs one case and returns a line of the table.
func measure(program string, endpoints int, disabled bool, lasts time.Duration) (string, error) {
	dir, err := os.MkdirTemp("", "signals")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	free, err := freeport.Addresses(1)
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "afloat.yaml")
	if err := os.WriteFile(config, []byte(configuration(free[0], dir, endpoints, disabled)), 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lasts+time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, program, "run", "-f", config)
	run.Stderr = os.Stderr
	if err := run.Start(); err != nil {
		return "", err
	}
	defer func() { _ = run.Process.Kill(); _ = run.Wait() }()
	time.Sleep(lasts / 6) // the start is not measured
	before, began := ticks(run.Process.Pid), time.Now()
	time.Sleep(lasts)
	if before == 0 {
		return "", errors.New("the program has ended")
	}
	share := float64(ticks(run.Process.Pid)-before) / clockTicks / time.Since(began).Seconds()
	series, gathering := "", ""
	if !disabled {
		n, err := ask(free[0], "sum(afloat_store_series)")
		if err != nil {
			return "", err
		}
		took, err := ask(free[0], "avg_over_time(afloat_store_gather_seconds[30s])")
		if err != nil {
			return "", err
		}
		series, gathering = fmt.Sprint(n), fmt.Sprintf("%.1f ms", took*1000)
	}
	return fmt.Sprintf("| %s | %v | %.0f MB | %.0f MB | %.1f%% | %s |", series, !disabled,
		memory(run.Process.Pid, "VmRSS"), memory(run.Process.Pid, "RssAnon"), share*100, gathering), nil
}

// configuration has services of five endpoints each, which nobody asks.
func configuration(admin, dir string, endpoints int, disabled bool) string {
	text := fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {address: %q}\ndata: %s\nlog: {level: error}\nmetrics: {disabled: %v}\nservices:\n", admin, dir, disabled)
	routes := "routes:\n"
	for i := 0; i < endpoints; i += 5 {
		name := "service-" + strconv.Itoa(i/5)
		text += "  " + name + ":\n    endpoints: ["
		for j := range 5 {
			text += fmt.Sprintf("%q, ", fmt.Sprintf("127.0.%d.%d:9", (i+j)/250, (i+j)%250+1))
		}
		text += "]\n"
		routes += fmt.Sprintf("  - {name: %s, match: [{path: {prefix: /%s/}}], to: [{service: %s}]}\n", name, name, name)
	}
	return text + routes
}

// ticks is the processor time that a process has had.
func ticks(pid int) (total int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // empty for one that has ended
	fields := strings.Fields(string(text))
	for _, i := range []int{13, 14} {
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			total += n
		}
	}
	return total
}

// memory is a line of a process's status, in MB.
func memory(pid int, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // empty for one that has ended
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

func ask(admin, query string) (float64, error) {
	res, err := http.Get("http://" + admin + "/prometheus/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, fmt.Errorf("%s: %d results", query, len(answer.Data.Result))
	}
	return strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
}
