package steps_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"facerec/internal/publish"
	"facerec/internal/steps"
	"facerec/internal/text"
)

// recorder makes steps that note when they are asked and run.
type recorder struct{ calls []string }

func (r *recorder) step(name string, done *bool, err error) steps.Step {
	s := steps.Step{Name: name, Doc: "what " + name + " does", Next: "run again", Run: func(context.Context) (steps.Answer, error) {
		r.calls = append(r.calls, "run "+name)
		return steps.Answer{Detail: "ran"}, err
	}}
	if done != nil {
		s.Done = func(context.Context) (steps.Answer, error) {
			r.calls = append(r.calls, "ask "+name)
			return steps.Answer{Kept: *done, Detail: "there"}, nil
		}
	}
	return s
}

func TestRun(t *testing.T) {
	yes, no := true, false
	failure := errors.New("no answer")
	for name, c := range map[string]struct {
		steps func(r *recorder) []steps.Step
		dry   bool
		calls string
		told  string
		hint  string // of the error; "" for none
	}{
		"all": {
			steps: func(r *recorder) []steps.Step {
				return []steps.Step{r.step("a", nil, nil), r.step("b", &yes, nil), r.step("c", &no, nil)}
			},
			calls: "run a, ask b, ask c, run c", told: "a done, b kept, c done",
		},
		"a failure": {
			steps: func(r *recorder) []steps.Step {
				return []steps.Step{r.step("a", nil, nil), r.step("b", &no, failure), r.step("c", nil, nil)}
			},
			calls: "run a, ask b, run b", told: "a done", hint: "run again",
		},
		"a failure with advice": {
			steps: func(r *recorder) []steps.Step {
				return []steps.Step{r.step("a", nil, text.WithHint(failure, "log in"))}
			},
			calls: "run a", hint: "log in; run again",
		},
		"a refusal": {
			steps: func(r *recorder) []steps.Step {
				return []steps.Step{r.step("a", nil, &publish.Refusal{Subject: "x", Reason: "differs", Advice: "release a new version"})}
			},
			calls: "run a", hint: "release a new version",
		},
		"dry": {
			steps: func(r *recorder) []steps.Step {
				reads := r.step("a", nil, nil)
				reads.ReadsOnly = true
				late := r.step("d", &yes, nil)
				late.ReadsOnly = true
				return []steps.Step{reads, r.step("b", &yes, nil), r.step("c", &no, nil), late}
			},
			dry: true, calls: "run a, ask b, ask c", told: "a done, b kept, c would, d would",
		},
		"dry, cannot ask": {
			steps: func(r *recorder) []steps.Step { return []steps.Step{r.step("a", nil, nil), r.step("b", nil, nil)} },
			dry:   true, told: "a would, b would",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			var told []string
			outcomes, err := steps.Run(t.Context(), c.steps(r), c.dry, func(o steps.Outcome) {
				told = append(told, o.Step+" "+o.State)
				if want := map[string]string{steps.Done: "ran", steps.Kept: "there", steps.Would: "what " + o.Step + " does"}[o.State]; o.Detail != want {
					t.Errorf("%s says %q, want %q", o.Step, o.Detail, want)
				}
			})
			if got := strings.Join(r.calls, ", "); got != c.calls {
				t.Errorf("called: %s, want %s", got, c.calls)
			}
			if got := strings.Join(told, ", "); got != c.told || len(outcomes) != len(told) {
				t.Errorf("told: %s, want %s", got, c.told)
			}
			if text.Hint(err) != c.hint || (err != nil) != (c.hint != "") {
				t.Errorf("got %v with hint %q, want %q", err, text.Hint(err), c.hint)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "step ") {
				t.Errorf("the error does not name the step: %v", err)
			}
		})
	}
}

// TestInterrupted is told by the error alone: no step failed.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{}
	first := r.step("a", nil, errors.New("request canceled"))
	run := first.Run
	first.Run = func(ctx context.Context) (steps.Answer, error) {
		cancel()
		return run(ctx)
	}
	_, err := steps.Run(ctx, []steps.Step{first, r.step("b", nil, nil)}, false, nil)
	if !errors.Is(err, context.Canceled) || text.Hint(err) != "" || slices.Contains(r.calls, "run b") {
		t.Errorf("got %v, %q", err, r.calls)
	}
}

func TestThrough(t *testing.T) {
	all := steps.Of(nil)
	for name, want := range map[string]struct {
		n    int
		text string
	}{
		"":             {len(all), ""},
		"preflight":    {1, ""},
		"rolling-tags": {len(all), ""},
		"verfiy":       {0, `unknown step "verfiy", did you mean verify?`},
		"Publish":      {0, `unknown step "Publish", did you mean publish?`},
		"\x1b[2J":      {0, `unknown step "\x1b[2J": expected one of preflight, build, check, push, sign-images, pack, sign, verify, publish, rolling-tags`},
	} {
		got, err := steps.Through(all, name)
		if len(got) != want.n || (err == nil) != (want.text == "") || err != nil && err.Error() != want.text {
			t.Errorf("%q: %d steps, %v; want %d, %s", name, len(got), err, want.n, want.text)
		}
		var e *steps.NameError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q: %T", name, err)
		}
	}
}

// TestHelp has a line for each step, and each step all that a person needs.
func TestHelp(t *testing.T) {
	help := steps.Help(steps.Of(nil))
	for _, s := range steps.Of(nil) {
		if s.Name == "" || s.Doc == "" || s.Next == "" || s.Run == nil {
			t.Errorf("step %q lacks something", s.Name)
		}
		if !strings.Contains(help, "  "+s.Name+" ") || !strings.Contains(help, s.Doc+"\n") {
			t.Errorf("%s is not in the help:\n%s", s.Name, help)
		}
	}
}
