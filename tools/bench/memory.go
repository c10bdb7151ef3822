package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"facerec/tools/bench/internal/measure"
)

// flat is a picture of which no pixel is kept: slopes with a little noise, as
// photos have, at 8 or 16 bits a sample.
type flat struct {
	w, h int
	deep bool
}

func (f flat) Bounds() image.Rectangle { return image.Rect(0, 0, f.w, f.h) }

func (f flat) ColorModel() color.Model {
	if f.deep {
		return color.NRGBA64Model
	}
	return color.NRGBAModel
}

func (f flat) Opaque() bool { return true }

func (f flat) At(x, y int) color.Color {
	noise := uint8(uint32(x*7919+y*104729) * 2654435761 >> 29)
	c := color.NRGBA{uint8(x/16) + noise, uint8(y/16) + noise, uint8((x + y) / 32), 255}
	if f.deep {
		return color.NRGBA64{uint16(c.R) * 257, uint16(c.G) * 257, uint16(c.B) * 257, 0xffff}
	}
	return c
}

// benchMemory measures what facerec takes for large pictures.
func benchMemory(ctx context.Context, flags *flag.FlagSet, args []string) error {
	program := flags.String("facerec", "bin/facerec", "the program")
	models := flags.String("models", "models", "its models")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-memory-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "picture\t--memory\tpeak MiB\tCPU s")
	for _, p := range []struct {
		name   string
		m      flat
		memory []string
	}{
		{"12-megapixel.jpg", flat{4000, 3000, false}, []string{"auto"}},
		{"100-megapixel.jpg", flat{11600, 8700, false}, []string{"auto", "600MB"}},
		{"108-megapixel.jpg", flat{12000, 9000, false}, []string{"auto"}},
		{"200-megapixel.jpg", flat{16320, 12240, false}, []string{"auto", "600MB"}},
		{"100-megapixel.png", flat{11600, 8700, false}, []string{"auto"}},
		{"100-megapixel-16-bit.png", flat{11600, 8700, true}, []string{"auto"}},
	} {
		name := filepath.Join(dir, p.name)
		if err := writePicture(name, p.m); err != nil {
			return err
		}
		for _, memory := range p.memory {
			// That there is not a face in them is 4.
			f, err := measure.Run(ctx, measure.Command{Args: []string{"sh", "-c", `"$@"; test $? = 4`, "sh", *program, "detect", "--quiet", "--no-cache", "--models", *models, "--memory", memory, name}})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%.1f\n", p.name, memory, f.Peak, f.CPU)
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writePicture(name string, m image.Image) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	b := bufio.NewWriter(f)
	encode := func(w io.Writer) error {
		return jpeg.Encode(w, m, &jpeg.Options{Quality: 85})
	}
	if filepath.Ext(name) == ".png" {
		encode = func(w io.Writer) error {
			return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m)
		}
	}
	if err := encode(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return f.Close()
}
