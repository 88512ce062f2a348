"""A plain simulator to check the quick one by: NumPy, double precision, the laboratory.

Written from the formulas, one reflection of one grain after the other, with no table,
no patches and no trick. The benchmark times it too.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from napari_labdct.physics.attenuation import linear_attenuation

HC = 12.398419843  # keV Å
ELECTRON_RADIUS = 2.8179403262e-12  # mm


def trace(position, g, geometry, omega_deg):
    """Row, column, sin θ and both directions for laboratory positions (N, 3) and one G.

    `position` is in the sample frame, `g` in the laboratory frame [Å⁻¹, with 2π].
    """
    turn = Rotation.from_euler("z", omega_deg, degrees=True)
    at = turn.apply(position) + np.array([0, geometry.axis_offset_y, 0])
    source = [
        -geometry.source_to_sample,
        geometry.source_offset_y,
        geometry.source_offset_z,
    ]
    ray = at - source
    distance = np.linalg.norm(ray, axis=1)
    k = ray / distance[:, None]
    length = np.linalg.norm(g)
    sine = -(k @ g) / length
    wavelength = 2 * (2 * np.pi / length) * sine
    out = k + wavelength[:, None] * g / (2 * np.pi)
    detector = geometry.detector
    angles = [detector.tilt_x, detector.tilt_y, detector.tilt_z]
    tilt = Rotation.from_euler("xyz", angles, degrees=True)
    normal, y_axis, z_axis = tilt.as_matrix().T
    middle = np.array([geometry.sample_to_detector, 0, 0])
    hit = at + out * (((middle - at) @ normal) / (out @ normal))[:, None] - middle
    row, column = geometry.to_pixels(hit @ y_axis, hit @ z_axis)
    return row, column, sine, k, out, distance, wavelength


def turn_to_normal(geometry):
    """The detector's normal in the laboratory."""
    detector = geometry.detector
    angles = [detector.tilt_x, detector.tilt_y, detector.tilt_z]
    return Rotation.from_euler("xyz", angles, degrees=True).apply([1, 0, 0])


def cylinder_path(at, direction, outline):
    """Path to the surface of an upright cylinder, by bisection (N,) [mm]."""
    inside = np.zeros(len(at))
    outside = np.full(len(at), 4 * outline.reach)
    for _ in range(40):
        middle = (inside + outside) / 2
        point = at + middle[:, None] * direction
        within = np.hypot(point[:, 0], point[:, 1]) < outline.radius
        within &= np.abs(point[:, 2]) < outline.height / 2
        inside = np.where(within, middle, inside)
        outside = np.where(within, outside, middle)
    return inside


def analytic_path(at, direction, outline):
    """The same from the quadratic equation, without the end faces."""
    a = direction[:, 0] ** 2 + direction[:, 1] ** 2
    b = at[:, 0] * direction[:, 0] + at[:, 1] * direction[:, 1]
    c = np.minimum(at[:, 0] ** 2 + at[:, 1] ** 2 - outline.radius**2, 0)
    return (-b + np.sqrt(b * b - a * c)) / a


def spots(
    polycrystal,
    geometry,
    spectrum,
    omega_deg,
    *,
    families=8,
    exposure=600.0,
    scintillator=None,
    lorentz="laue",
    path=cylinder_path,
):
    """Yield grain, primitive hkl, rows, columns, photons of every spot."""
    crystal = polycrystal.crystal
    reflections = crystal.reflections(families)
    carried = spectrum.energy[spectrum.flux > 1e-3 * spectrum.flux.max()]
    lowest, highest = carried[0], carried[-1]
    turn = Rotation.from_euler("z", omega_deg, degrees=True)
    rows, columns = geometry.detector.shape
    for grain in range(len(polycrystal)):
        own = polycrystal.grain_of == grain
        centre, volume = polycrystal.centre[own], polycrystal.volume[own]
        if not len(centre):
            continue
        middle = centre.mean(axis=0, keepdims=True)
        wide = np.linalg.norm(centre - middle, axis=1).max()
        slack = 2 * wide / geometry.source_to_sample
        for direction in range(len(reflections.unit)):
            orders = np.flatnonzero(reflections.direction == direction)
            unit = turn.apply(
                polycrystal.orientation[grain].apply(reflections.unit[direction])
            )
            first = unit * 2 * np.pi / reflections.d_primitive[direction]
            # only what the grain's centre comes near to reflecting onto the frame
            row, column, sine, *_, wavelength = trace(
                middle, first, geometry, omega_deg
            )
            order = reflections.order[orders]
            top, bottom = max(order), min(order)
            least = HC * bottom / highest / (2 * reflections.d_primitive[direction])
            most = HC * top / lowest / (2 * reflections.d_primitive[direction])
            if not max(least, 0) - slack < sine[0] < most + slack:
                continue
            reach = 8 * wide * geometry.magnification / geometry.detector.pixel_size
            reach = 1000 * reach + 20
            if not (-reach < row[0] < rows + reach):
                continue
            if not (-reach < column[0] < columns + reach):
                continue
            row, column, sine, k, out, distance, wavelength = trace(
                centre, first, geometry, omega_deg
            )
            normal = turn_to_normal(geometry)
            useful = (sine > 0) & (out @ normal > 0.02)
            energy = HC / np.where(useful, wavelength, np.inf)
            alive = useful & (energy * top >= lowest) & (energy * bottom <= highest)
            alive &= (np.abs(row - (rows - 1) / 2) <= rows / 2) & (
                np.abs(column - (columns - 1) / 2) <= columns / 2
            )
            if not alive.any():
                continue
            lengths = 0.0
            if polycrystal.outline is not None:
                back = turn.inv()
                lengths = path(centre, back.apply(-k), polycrystal.outline)
                lengths = lengths + path(centre, back.apply(out), polycrystal.outline)
            photons = np.zeros(len(centre))
            for one in orders:
                order = reflections.order[one]
                photon = np.maximum(energy * order, 1e-3)
                flux = spectrum.at(photon) * (1000 / distance) ** 2
                if scintillator is not None:
                    flux = flux * scintillator.efficiency(photon)
                mu = linear_attenuation(crystal.composition, crystal.density, photon)
                cos_2theta = 1 - 2 * sine**2
                polarisation = (1 + cos_2theta**2) / 2
                if lorentz == "laue":
                    form = HC * 2 * reflections.d[one] ** 2
                else:
                    sin_2theta = np.sqrt(1 - cos_2theta**2)
                    form = 2.551 * (wavelength / order) ** 3 / sin_2theta
                # Å² · Å … to mm: F² r_e² V / V_c² · Φ · (keV Å³)
                photons += np.where(
                    useful,
                    exposure
                    * (ELECTRON_RADIUS * 1e7) ** 2
                    * reflections.f_squared[one]
                    / crystal.cell_volume**2
                    * form
                    * 1e7
                    * volume
                    * flux
                    * polarisation
                    * np.exp(-mu * lengths),
                    0,
                )
            yield grain, reflections.primitive[direction], row, column, photons, alive


def image(found, geometry, sigma):
    """Share photons bilinearly among pixels, then blur the frame."""
    rows, columns = geometry.detector.shape
    border = 8
    flat = np.zeros((rows + 2 * border) * (columns + 2 * border))
    stride = columns + 2 * border
    for _, _, row, column, photons, _ in found:
        row = np.clip(row, -border, rows + border - 2)
        column = np.clip(column, -border, columns + border - 2)
        top, left = np.floor(row), np.floor(column)
        down, right = row - top, column - left
        index = ((top + border) * stride + left + border).astype(np.int64)
        for step, weight in (
            (0, (1 - down) * (1 - right)),
            (1, (1 - down) * right),
            (stride, down * (1 - right)),
            (stride + 1, down * right),
        ):
            flat += np.bincount(index + step, photons * weight, flat.size)
    frame = flat.reshape(-1, stride)
    if sigma > 0:
        frame = gaussian_filter(frame, sigma, mode="constant")
    frame = frame[border:-border, border:-border]
    return np.where(geometry.beam_stop_mask(), 0, frame)
