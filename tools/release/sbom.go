package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const product = "github.com/modhaven/modhaven"

// writeSBOM lists what any of the binaries holds. The graph says only that the product
// depends on all of it.
func (r release) writeSBOM(dir string, modules []debug.Module) error {
	bom := r.sbom(modules)
	b, err := encode(bom)
	if err != nil {
		return err
	}
	bom.SerialNumber = serial(b)
	if b, err = encode(bom); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.prefix()+".cdx.json"), b, 0o644)
}

func encode(bom *cdx.BOM) ([]byte, error) {
	var b bytes.Buffer
	e := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON)
	e.SetPretty(true)
	e.SetEscapeHTML(false)
	err := e.EncodeVersion(bom, cdx.SpecVersion1_6)
	return b.Bytes(), err
}

func (r release) sbom(modules []debug.Module) *cdx.BOM {
	bom := cdx.NewBOM()
	self := component(cdx.ComponentTypeApplication, product, r.version)
	self.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	bom.Metadata = &cdx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &self}
	var refs []string
	var comps []cdx.Component
	for _, m := range modules {
		c := component(cdx.ComponentTypeLibrary, m.Path, m.Version)
		if m.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "modhaven:gosum", Value: m.Sum}}
		}
		comps, refs = append(comps, c), append(refs, c.BOMRef)
	}
	bom.Components = &comps
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &refs}}
	return bom
}

func component(kind cdx.ComponentType, path, version string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return cdx.Component{BOMRef: purl, Type: kind, Name: path, Version: version, PackageURL: purl}
}

// serial is an UUID (RFC 9562, version 8) made of a content, so that the same release has the same one.
func serial(content []byte) string {
	h := sha256.Sum256(content)
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
