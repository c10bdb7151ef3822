package main

import (
	"reflect"
	"testing"
)

// Every part of the real world is there; a verb that nobody tested with it
// would find out otherwise.
func TestTheWorldIsWhole(t *testing.T) {
	w := reflect.ValueOf(*hostEnvironment())
	for i := range w.NumField() {
		switch f := w.Field(i); f.Kind() {
		case reflect.Func, reflect.Interface:
			if f.IsNil() {
				t.Errorf("%s is nil", w.Type().Field(i).Name)
			}
		}
	}
	if len(hostEnvironment().pins.Models) == 0 {
		t.Error("no pins")
	}
}
