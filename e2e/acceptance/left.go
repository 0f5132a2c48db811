package acceptance

import (
	"os"
	"path/filepath"
	"strings"
)

// cacheFolder is where the scripts keep what they made (scripts/lib.sh).
func cacheFolder(getenv func(string) string) string {
	if folder := getenv("PROCNS_CACHE"); folder != "" {
		return folder
	}
	if folder := getenv("XDG_CACHE_HOME"); folder != "" {
		return filepath.Join(folder, "procns")
	}
	return filepath.Join(getenv("HOME"), ".cache", "procns")
}

// named are the lines of a listing that hold a text, each with what it is in front.
func named(what, listing, text string) []string {
	all := linesHolding(listing, text)
	for i, line := range all {
		all[i] = what + " " + strings.TrimSpace(line)
	}
	return all
}

// entries are what is in a folder, each with what it is in front. Where there is no folder, there is nothing.
func entries(what, folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var all []string
	for _, file := range files {
		all = append(all, what+" "+filepath.Join(folder, file.Name()))
	}
	return all, err
}
