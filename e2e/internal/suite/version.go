package suite

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a server's or a claim's version of Kubernetes, to the minor.
type Version struct{ Major, Minor int }

var gitVersion = regexp.MustCompile(`^v?(\d+)\.(\d+)(?:[.+-].*)?$`)

// ParseVersion reads "v1.37.2", "1.10", "v1.28.4-gke.1000" and the like.
func ParseVersion(text string) (Version, error) {
	m := gitVersion.FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("%q is not a version of Kubernetes such as v1.37.2", text)
	}
	major, errMajor := strconv.Atoi(m[1])
	minor, errMinor := strconv.Atoi(m[2])
	if errMajor != nil || errMinor != nil {
		return Version{}, fmt.Errorf("%q is not a version of Kubernetes such as v1.37.2", text)
	}
	return Version{major, minor}, nil
}

// Before tells whether v is older than other.
func (v Version) Before(other Version) bool {
	return v.Major < other.Major || v.Major == other.Major && v.Minor < other.Minor
}

func (v Version) String() string { return fmt.Sprintf("v%d.%d", v.Major, v.Minor) }

// The feature's history: alpha in v1.10 behind the gate PodShareProcessNamespace,
// beta and on in v1.12, stable and locked on in v1.17, gate removed in v1.19.
var (
	firstVersion  = Version{1, 10}
	stableVersion = Version{1, 17}
)

// Gate is what a server's version lets us expect.
type Gate struct {
	// Refused says why the suite does not run at all.
	Refused string
	// ReadBack means that a feature gate may be off, which only a created pod
	// tells: then the field is dropped, or the pod is refused.
	ReadBack bool
}

// GateOf decides by the server's version.
func GateOf(server Version) Gate {
	switch {
	case server.Before(firstVersion):
		return Gate{Refused: fmt.Sprintf(
			"the server is %s; shareProcessNamespace exists since %s: upgrade the cluster, there is nothing to verify on it", server, firstVersion)}
	case server.Before(stableVersion):
		return Gate{ReadBack: true}
	}
	return Gate{}
}

var refusedByGate = regexp.MustCompile(`(?i)disabled by PodShareProcessNamespace`)

// GateOff decides, on servers where the gate may be off, from what became of a
// pod that was created with the field: it returns the reason why no case
// applies, or "" where the gate is on. Other errors are the caller's.
func GateOff(server Version, stored string, created error) (string, error) {
	const off = "the feature gate PodShareProcessNamespace is off on this %s server: it %s"
	switch {
	case othersRefused(created):
		return "", created
	case created != nil && refusedByGate.MatchString(created.Error()):
		return fmt.Sprintf(off, server, "refuses the field"), nil
	case created != nil:
		return "", created
	case stored != "true":
		return fmt.Sprintf(off, server, "drops the field (stored: "+stored+")"), nil
	}
	return "", nil
}

// othersRefused tells whether an error is a refusal of which the server's rules are
// not the author.
func othersRefused(err error) bool {
	answer, ok := AnswerOf(err)
	return ok && !answer.Refusal().Own()
}

// Applies says why a case does not apply to a server, or "".
func (c Case) Applies(server Version) string {
	if c.MinVersion == "" {
		return ""
	}
	least, err := ParseVersion(c.MinVersion)
	if err != nil {
		return "the case names no valid minimum version: " + err.Error()
	}
	if server.Before(least) {
		return fmt.Sprintf("the claim holds since %s; the server is %s", least, server)
	}
	return ""
}
