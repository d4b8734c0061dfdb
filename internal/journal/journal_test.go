package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/journal"
)

// childDir makes the test binary the process that is killed.
const childDir = "AFLOAT_JOURNAL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForever(dir)
	}
	os.Exit(m.Run())
}

// writeForever appends and says which entries are written.
func writeForever(dir string) {
	j, err := journal.Open(journal.Options{Dir: dir, FileBytesMax: 16 << 10, FilesMax: 1000})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		e, err := j.Append(journal.Entry{Kind: journal.KindLever, Subject: "cart", Why: strings.Repeat("x", 300)})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(e.ID)
	}
}

func open(t *testing.T, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func add(t *testing.T, j *journal.Journal, e journal.Entry) journal.Entry {
	t.Helper()
	e, err := j.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func read(t *testing.T, j *journal.Journal, q journal.Query) []journal.Entry {
	t.Helper()
	all, err := j.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func ids(all []journal.Entry) (out []uint64) {
	for _, e := range all {
		out = append(out, e.ID)
	}
	return out
}

func TestQueryPicks(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, dir := range []string{"", t.TempDir()} {
		j := open(t, journal.Options{Dir: dir})
		for i, e := range []journal.Entry{
			{Kind: journal.KindConfigApplied},
			{Kind: journal.KindAlertFired, Subject: "cart"},
			{Kind: journal.KindEndpoint, Subject: "cart/127.0.0.1:9001"},
			{Kind: journal.KindAlertResolved, Subject: "carts"},
			{Kind: "alerting.other", Subject: "cart"},
		} {
			e.Time = start.Add(time.Duration(i) * time.Minute)
			add(t, j, e)
		}
		for _, c := range []struct {
			name  string
			query journal.Query
			want  []uint64
		}{
			{"all", journal.Query{}, []uint64{1, 2, 3, 4, 5}},
			{"an area", journal.Query{Kinds: []journal.Kind{"alert"}}, []uint64{2, 4}},
			{"a kind", journal.Query{Kinds: []journal.Kind{journal.KindAlertFired, "config"}}, []uint64{1, 2}},
			{"a service and its parts", journal.Query{Subject: "cart"}, []uint64{2, 3, 5}},
			{"a service and Afloat itself", journal.Query{Subject: "cart", Own: true}, []uint64{1, 2, 3, 5}},
			{"a part", journal.Query{Subject: "cart/127.0.0.1:9001"}, []uint64{3}},
			{"a time", journal.Query{Since: start.Add(time.Minute), Until: start.Add(3 * time.Minute)}, []uint64{2, 3}},
			{"the last", journal.Query{Limit: 2}, []uint64{4, 5}},
			{"the first", journal.Query{Oldest: true, Limit: 2}, []uint64{1, 2}},
			{"the last of a kind", journal.Query{Kinds: []journal.Kind{"alert", "endpoint"}, Limit: 2}, []uint64{3, 4}},
			{"those after one", journal.Query{After: 1, Limit: 2}, []uint64{2, 3}},
			{"none", journal.Query{Subject: "art"}, nil},
		} {
			if got := ids(read(t, j, c.query)); !cmp.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v (dir %q)", c.name, got, c.want, dir)
			}
		}
	}
}

func TestEntryComesBackWhole(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	want := add(t, j, journal.Entry{
		Kind: journal.KindAlertFired, Level: journal.LevelBad, Who: "afloat", Subject: "cart",
		What: "P0 ServiceDown", Why: "no request\nsucceeded", Detail: journal.Detail(map[string]int{"failed": 7}),
	})
	if want.Time.IsZero() || want.ID != 1 {
		t.Fatalf("got %+v", want)
	}
	again := open(t, journal.Options{Dir: dir})
	if diff := cmp.Diff([]journal.Entry{want}, read(t, again, journal.Query{})); diff != "" {
		t.Error(diff)
	}
}

func TestTornLineIsRemovedAndCountingGoesOn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	add(t, j, journal.Entry{Kind: journal.KindStarted})
	add(t, j, journal.Entry{Kind: journal.KindStopping})
	names, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if len(names) != 1 {
		t.Fatalf("got files %v", names)
	}
	f, err := os.OpenFile(names[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":3,"kind":"alert.fi`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := ids(read(t, j, journal.Query{})); !cmp.Equal(got, []uint64{1, 2}) {
		t.Errorf("with a torn line: got %v", got)
	}
	again := open(t, journal.Options{Dir: dir})
	add(t, again, journal.Entry{Kind: journal.KindStarted})
	if got := ids(read(t, again, journal.Query{})); !cmp.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("after mending: got %v", got)
	}
}

func TestOldestFileGoesWhenTheLimitIsReached(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, FileBytesMax: 2000, FilesMax: 3})
	for range 100 {
		add(t, j, journal.Entry{Kind: journal.KindLever, Why: strings.Repeat("x", 200)})
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if len(names) != 3 {
		t.Errorf("got files %v, want 3", names)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Size() > 2000 {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
	all := read(t, j, journal.Query{})
	if len(all) < 12 || all[len(all)-1].ID != 100 || all[0].ID != uint64(101-len(all)) {
		t.Errorf("got entries %v", ids(all))
	}
	if got := ids(read(t, j, journal.Query{After: 97})); !cmp.Equal(got, []uint64{98, 99, 100}) {
		t.Errorf("after 97: got %v", got)
	}
	again := open(t, journal.Options{Dir: dir})
	if e := add(t, again, journal.Entry{Kind: journal.KindStarted}); e.ID != 101 {
		t.Errorf("got %d after a restart, want 101", e.ID)
	}
}

// TestStormErasesNothingOfWhatLasts fills the files of every day again and again.
func TestStormErasesNothingOfWhatLasts(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir(), FileBytesMax: 2000, FilesMax: 3})
	var want []uint64
	for i := range 500 {
		kind := journal.KindEndpoint
		if i%100 == 0 {
			kind = journal.KindAlertFired
			want = append(want, uint64(i+1))
		}
		add(t, j, journal.Entry{Kind: kind, Subject: "cart", Why: strings.Repeat("x", 200)})
	}
	if got := ids(read(t, j, journal.Query{Kinds: []journal.Kind{"alert"}})); !cmp.Equal(got, want) {
		t.Errorf("got alerts %v, want %v", got, want)
	}
	if got := ids(read(t, j, journal.Query{Limit: 2, After: 399})); got[0] != 401 {
		t.Errorf("got %v, want an alert first", got)
	}
	all := ids(read(t, j, journal.Query{}))
	if !slices.IsSorted(all) || len(all) < len(want)+9 {
		t.Errorf("got %v", all)
	}
}

// TestLastEntriesAreReadFromTheLastFiles makes the oldest file one that cannot
// be read.
func TestLastEntriesAreReadFromTheLastFiles(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	j := open(t, journal.Options{Dir: dir, FileBytesMax: 2000, FilesMax: 10})
	for i := range 50 {
		add(t, j, journal.Entry{Time: start.Add(time.Duration(i) * time.Minute), Kind: journal.KindLever, Why: strings.Repeat("x", 200)})
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(names[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if got := ids(read(t, j, journal.Query{Limit: 10})); len(got) != 10 || got[0] != 41 {
		t.Errorf("got %v", got)
	}
	if got := ids(read(t, j, journal.Query{Since: start.Add(30 * time.Minute)})); len(got) != 20 || got[0] != 31 {
		t.Errorf("since: got %v", got)
	}
	if _, err := j.Read(journal.Query{Oldest: true, Limit: 1}); err == nil {
		t.Error("the oldest file was not read")
	}
}

func TestLongPartsAreCut(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	add(t, j, journal.Entry{Kind: journal.KindLever, Why: strings.Repeat("\x01", 100_000), Detail: journal.Detail(strings.Repeat("y", 100_000))})
	all := read(t, j, journal.Query{})
	if len(all) != 1 || len(all[0].Why) > 5000 || all[0].Detail != nil {
		t.Errorf("got %d entries, %d bytes", len(all), len(all[0].Why))
	}
}

func TestNoEntryIsLostWhenTheProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		said := uint64(0)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			id, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatalf("the child says: %s", lines.Text())
			}
			said = id
			if id%uint64(200+37*round) == 0 {
				_ = child.Process.Kill()
			}
		}
		_ = child.Wait() // it was killed
		j := open(t, journal.Options{Dir: dir})
		all := read(t, j, journal.Query{Limit: 1_000_000})
		for i, e := range all {
			if e.ID != uint64(i+1) {
				t.Fatalf("round %d: entry %d has ID %d", round, i, e.ID)
			}
		}
		if uint64(len(all)) < said || said == 0 {
			t.Fatalf("round %d: got %d entries, the child wrote %d", round, len(all), said)
		}
	}
}

func TestSubscriberHearsWhatComes(t *testing.T) {
	j := open(t, journal.Options{})
	add(t, j, journal.Entry{Kind: journal.KindStarted})
	ctx, cancel := context.WithCancel(context.Background())
	heard := j.Subscribe(ctx)
	add(t, j, journal.Entry{Kind: journal.KindLever})
	if e := <-heard; e.ID != 2 || e.Kind != journal.KindLever {
		t.Errorf("got %+v", e)
	}
	cancel()
	for range heard { // until it is closed
	}
}

func TestSubscriberThatLagsIsTold(t *testing.T) {
	j := open(t, journal.Options{})
	slow := j.Subscribe(t.Context())
	for range 1000 {
		add(t, j, journal.Entry{Kind: journal.KindLever})
	}
	got := uint64(0)
	for e := range slow { // ends, since it is closed
		got = e.ID
	}
	missed := read(t, j, journal.Query{After: got})
	if got == 0 || got >= 1000 || len(missed) != int(1000-got) {
		t.Errorf("got up to %d, then %d by reading", got, len(missed))
	}
}

func TestPostedEntriesAreWrittenInOrder(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	for i := range 1200 {
		j.Post(journal.Entry{Kind: journal.KindEndpoint, Why: fmt.Sprint(i)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Serve(ctx); err != nil { // writes what waits before it ends
		t.Fatal(err)
	}
	all := read(t, j, journal.Query{Limit: 5000})
	if len(all) != 1000 || all[999].Why != "999" || !strings.Contains(all[0].Why, "200 entries before this one were lost") {
		t.Errorf("got %d entries, the first: %+v", len(all), all[0])
	}
}

func TestClosedJournalTakesNothing(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	heard := j.Subscribe(t.Context())
	j.Post(journal.Entry{Kind: journal.KindStopping})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if e := <-heard; e.Kind != journal.KindStopping {
		t.Errorf("got %+v", e)
	}
	if _, err := j.Append(journal.Entry{}); err != journal.ErrClosed {
		t.Errorf("got %v", err)
	}
	if _, open := <-j.Subscribe(t.Context()); open {
		t.Error("a closed journal has a subscriber")
	}
}

func TestAnotherProcessGoesOnWithASuspendedJournal(t *testing.T) {
	dir := t.TempDir()
	first := open(t, journal.Options{Dir: dir})
	add(t, first, journal.Entry{Kind: "a"})
	if err := first.Suspend(); err != nil {
		t.Fatal(err)
	}
	add(t, first, journal.Entry{Kind: "kept"})
	second := open(t, journal.Options{Dir: dir})
	if got := add(t, second, journal.Entry{Kind: "b"}); got.ID != 2 {
		t.Errorf("got %d, want that it goes on", got.ID)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Resume(); err != nil {
		t.Fatal(err)
	}
	add(t, first, journal.Entry{Kind: "c"})
	var kinds []string
	for i, e := range read(t, first, journal.Query{}) {
		kinds = append(kinds, string(e.Kind))
		if e.ID != uint64(i+1) {
			t.Errorf("entry %d has the ID %d", i, e.ID)
		}
	}
	if got := strings.Join(kinds, " "); got != "a b kept c" {
		t.Errorf("got %s", got)
	}
}
