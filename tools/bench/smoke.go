package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"text/tabwriter"

	"facerec/tools/bench/internal/smoke"
)

// smokeBaseline is where the baseline is committed.
const smokeBaseline = "tools/bench/internal/smoke/baseline.json"

func benchSmoke(ctx context.Context, flags *flag.FlagSet, args []string) error {
	update := flags.Bool("update", false, "write the baseline anew")
	if err := flags.Parse(args); err != nil {
		return err
	}
	was, err := smoke.Committed()
	if err != nil {
		return err
	}
	results, err := smoke.Run(ctx, was)
	if err != nil && (!errors.Is(err, smoke.ErrNoValgrind) || *update) {
		return err
	}
	incomplete := err
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "INPUT\tALLOCATIONS\tWAS\tKB\tWAS\t1000 INSTRUCTIONS\tWAS\t")
	now := smoke.Baseline{Go: runtime.Version(), Inputs: map[string]smoke.Counts{}}
	grew := 0
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.Name, r.Now.Allocations, r.Was.Allocations, r.Now.Bytes>>10, r.Was.Bytes>>10, r.Now.Instructions/1000, r.Was.Instructions/1000)
		now.Inputs[r.Name] = r.Now
		if r.Complaint != "" {
			grew++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if *update {
		raw, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(smokeBaseline, append(raw, '\n'), 0o644)
	}
	if was.Go != now.Go {
		fmt.Printf("the baseline was made with %s, this is %s\n", was.Go, now.Go)
	}
	for _, r := range results {
		if r.Complaint != "" {
			fmt.Printf("%s: %s\n", r.Name, r.Complaint)
		}
	}
	if grew > 0 {
		return fmt.Errorf("%d of %d inputs cost more than the baseline allows; if they are meant to: go run ./tools/bench smoke -update", grew, len(results))
	}
	return incomplete
}
