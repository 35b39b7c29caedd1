"""The few primitives whose CPU and GPU forms differ, or whose algorithm is a subject of its own."""
