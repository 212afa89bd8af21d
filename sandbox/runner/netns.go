package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// netnsPossible says what is missing for a network namespace.
func netnsPossible() error {
	if runtime.GOOS != "linux" {
		return exit{exitNoNetns, "--netns needs Linux"}
	}
	if os.Geteuid() != 0 {
		return exit{exitNoNetns, "--netns needs root, to make a network namespace"}
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return exit{exitNoNetns, "--netns needs the program ip (Debian: iproute2)"}
	}
	return nil
}

// newNetns makes a network namespace in which every pod address is local.
func newNetns() (string, error) {
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	name := "milvus-sandbox-" + hex.EncodeToString(random)
	if err := ip("netns", "add", name); err != nil {
		return "", exit{exitNoNetns, fmt.Sprintf("--netns is not possible here: %v", err)}
	}
	for _, step := range [][]string{
		{"-n", name, "link", "set", "lo", "up"},
		{"-n", name, "route", "add", "local", podRange, "dev", "lo"},
	} {
		if err := ip(step...); err != nil {
			deleteNetns(name)
			return "", exit{exitNoNetns, fmt.Sprintf("--netns is not possible here: %v", err)}
		}
	}
	return name, nil
}

func deleteNetns(name string) {
	if name == "" {
		return
	}
	if _, err := os.Stat(filepath.Join("/run/netns", name)); err == nil {
		if err := ip("netns", "delete", name); err != nil {
			fmt.Fprintln(os.Stderr, "sandbox:", err)
		}
	}
}

// inNetns puts a command line into the namespace, where there is one.
func inNetns(name string, command []string) []string {
	if name == "" {
		return command
	}
	return append([]string{"ip", "netns", "exec", name}, command...)
}

func ip(arguments ...string) error {
	output, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %s", strings.Join(arguments, " "), strings.TrimSpace(string(output)))
	}
	return nil
}
