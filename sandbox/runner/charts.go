package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// charts returns a folder that holds every chart of the checkout, packaged,
// unpacked and indexed like a chart repository. It is kept in the cache until
// a source changes.
func (s *site) charts(built binaries) (string, error) {
	source := filepath.Join(s.source, "chart")
	key, err := treeKey(source, built.helm4)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(s.cache, "charts-"+key)
	if _, err := os.Stat(folder); err == nil {
		_ = os.Chtimes(folder, time.Now(), time.Now())
		return folder, nil
	}
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(s.cache, "charts-partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil {
		return "", err
	}
	if err := packageCharts(source, partial, built.helm4); err != nil {
		return "", fmt.Errorf("charts in %s: %w", source, err)
	}
	if err := os.Rename(partial, folder); err != nil && !isDir(folder) {
		return "", err // unless another one was faster, with the same result
	}
	return folder, nil
}

// treeKey changes with every file below source.
func treeKey(source, helm string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, helm)
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		fmt.Fprintln(sum, relative, len(content))
		sum.Write(content)
		return err
	})
	if os.IsNotExist(err) {
		err = nil // no charts, an empty repository
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], err
}

// packageCharts fills target. The versions of the sample chart share all but
// what lies in versions/V; the charts in extra/ are whole.
func packageCharts(source, target, helm string) error {
	versions, _ := os.ReadDir(filepath.Join(source, "versions"))
	for _, version := range versions {
		if !version.IsDir() {
			continue
		}
		folder := filepath.Join(target, "milvus-"+version.Name())
		if err := assemble(source, version.Name(), folder); err != nil {
			return err
		}
	}
	extras, _ := os.ReadDir(filepath.Join(source, "extra"))
	for _, extra := range extras {
		if !extra.IsDir() {
			continue
		}
		whole := filepath.Join(source, "extra", extra.Name())
		name, version, err := nameAndVersion(whole)
		if err != nil {
			return err
		}
		folder := filepath.Join(target, name+"-"+version)
		if err := copyTree(whole, folder); err != nil {
			return err
		}
		// The file dependency names the version of the sample chart inside it.
		inside, err := os.ReadFile(filepath.Join(whole, "dependency"))
		if err == nil {
			sample := filepath.Join(target, "milvus-"+strings.TrimSpace(string(inside)))
			err = copyTree(sample, filepath.Join(folder, "charts", "milvus"))
		}
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	unpacked, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	for _, chart := range unpacked {
		if err := runHelm(helm, "package", "--destination", target, filepath.Join(target, chart.Name())); err != nil {
			return err
		}
	}
	return runHelm(helm, "repo", "index", target)
}

// assemble lays a version over what all versions share. Its values follow the
// shared ones in one file, so that no version repeats them.
func assemble(source, version, folder string) error {
	shared, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	for _, entry := range shared {
		if entry.Name() == "versions" || entry.Name() == "extra" || entry.Name() == "README.md" {
			continue
		}
		if err := copyTree(filepath.Join(source, entry.Name()), filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	own := filepath.Join(source, "versions", version)
	common, err := os.ReadFile(filepath.Join(source, "values.yaml"))
	if err != nil {
		return err
	}
	if err := copyTree(own, folder); err != nil {
		return err
	}
	differing, err := os.ReadFile(filepath.Join(own, "values.yaml"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	values := append(append(common, '\n'), differing...)
	return os.WriteFile(filepath.Join(folder, "values.yaml"), values, 0o644)
}

func nameAndVersion(chart string) (name, version string, err error) {
	file := filepath.Join(chart, "Chart.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	field := func(key string) string {
		match := regexp.MustCompile(`(?m)^` + key + `:\s*["']?([^"'\s]+)`).FindSubmatch(content)
		if match == nil {
			err = fmt.Errorf("%s has no %s", file, key)
			return ""
		}
		return string(match[1])
	}
	name, version = field("name"), field("version")
	return name, version, err
}

func runHelm(helm string, arguments ...string) error {
	home, err := os.MkdirTemp("", "sandbox-helm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	command := exec.Command(helm, arguments...)
	command.Env = append(helmHome(home), "PATH="+os.Getenv("PATH"), "HOME="+home)
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("helm %s: %w\n%s", strings.Join(arguments, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// serveCharts makes folder a chart repository on a free loopback port. Every
// request is logged, so that a test can say that none was made.
func serveCharts(folder string, log *os.File) (url string, err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	files := http.FileServer(http.Dir(folder))
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(log, time.Now().UTC().Format(time.RFC3339Nano), r.Method, r.URL.Path)
		files.ServeHTTP(w, r)
	}))
	return "http://" + listener.Addr().String(), nil
}
