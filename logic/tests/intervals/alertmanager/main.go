// Answers what Alertmanager's own code says of time intervals, one JSON line for each line of its input:
//
//	{"interval": {...}, "instants": [1700000000]}
//	{"error": "", "answers": [{"contains": true, "offset": 3600}]}
//
// The interval is read as Alertmanager reads its configuration, strictly. An instant is in seconds since 1970. The offset is
// that of the interval's location, so that a difference between two time zone databases can be seen.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"
	_ "time/tzdata" // a machine may have no time zones

	"github.com/prometheus/alertmanager/timeinterval"
	"go.yaml.in/yaml/v2"
)

type question struct {
	Interval json.RawMessage `json:"interval"`
	Instants []int64         `json:"instants"`
}

type answer struct {
	Contains bool `json:"contains"`
	Offset   int  `json:"offset"`
}

type reply struct {
	Error   string   `json:"error"`
	Answers []answer `json:"answers"`
}

func ask(line []byte) (reply, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return reply{}, err
	}
	var interval timeinterval.TimeInterval
	if err := yaml.UnmarshalStrict(asked.Interval, &interval); err != nil {
		return reply{Error: err.Error()}, nil
	}
	said := reply{Answers: []answer{}}
	for _, instant := range asked.Instants {
		// Alertmanager asks by UTC, too.
		at := time.Unix(instant, 0).UTC()
		shown := at
		if interval.Location != nil {
			shown = at.In(interval.Location.Location)
		}
		_, offset := shown.Zone()
		said.Answers = append(said.Answers, answer{interval.ContainsTime(at), offset})
	}
	return said, nil
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	replies := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		said, err := ask(lines.Bytes())
		if err != nil {
			return err
		}
		if err := json.NewEncoder(replies).Encode(said); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return replies.Flush()
}

func main() {
	if err := run(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
