package main

import (
	"fmt"
	"os"
	"time"
)

// progress shows that a long build lives: a running clock on a terminal, a
// line now and then in a log.
type progress struct {
	title   string
	started time.Time
	stop    chan bool
	stopped chan struct{}
}

func startProgress(title string) *progress {
	p := &progress{title, time.Now(), make(chan bool), make(chan struct{})}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.stopped)
	terminal := isTTY(os.Stderr)
	every := 15 * time.Second
	if terminal {
		every = time.Second
		fmt.Fprintf(os.Stderr, "%s ...", p.title)
	} else {
		fmt.Fprintf(os.Stderr, "%s ...\n", p.title)
	}
	clock := time.NewTicker(every)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
			if terminal {
				fmt.Fprintf(os.Stderr, "\r%s ... %s ", p.title, p.elapsed())
			} else {
				fmt.Fprintf(os.Stderr, "%s ... %s\n", p.title, p.elapsed())
			}
		case ok := <-p.stop:
			result := "done in"
			if !ok {
				result = "failed after"
			}
			if terminal {
				fmt.Fprint(os.Stderr, "\r")
			}
			fmt.Fprintf(os.Stderr, "%s: %s %s\n", p.title, result, p.elapsed())
			return
		}
	}
}

func (p *progress) elapsed() time.Duration { return time.Since(p.started).Round(time.Second) }

func (p *progress) end(ok bool) {
	p.stop <- ok
	<-p.stopped
}
