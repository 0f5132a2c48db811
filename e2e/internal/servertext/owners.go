package servertext

import "encoding/json"

// OwnsLabel tells whether a set of managed fields (the FieldsV1 format) holds a label.
func OwnsLabel(fieldsV1 []byte, label string) bool {
	var owned struct {
		Metadata struct {
			Labels map[string]json.RawMessage `json:"f:labels"`
		} `json:"f:metadata"`
	}
	if err := json.Unmarshal(fieldsV1, &owned); err != nil {
		return false
	}
	_, ok := owned.Metadata.Labels["f:"+label]
	return ok
}
