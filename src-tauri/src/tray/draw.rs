//! The flame as the tray shows it: each state has a shape of its own, so that colour is never needed. Pure.
//!
//! The shapes are those of the window (`ui/src/components/Flame.svelte`), on a square of 24.

use hearth_api::Flame;
use tiny_skia::{
    BlendMode, Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform,
};

/// Edge of the picture, in pixels: what the largest panels show, and what the smaller ones can halve.
pub(super) const SIZE: u32 = 64;
const SQUARE: f32 = 24.0;

/// Colours that stand out from light and dark panels alike.
const EMBER: [u8; 3] = [0xe0, 0x6a, 0x2b];
const AMBER: [u8; 3] = [0xe8, 0xa3, 0x17];
const RED: [u8; 3] = [0xe0, 0x4b, 0x45];
const GREY: [u8; 3] = [0x9a, 0x93, 0x8c];

/// Red, green, blue and alpha of each pixel, row by row. `turn`, in quarters, is how far the tick of [`Flame::Working`] is.
pub(super) fn draw(flame: Flame, turn: u8) -> Vec<u8> {
    let Some(mut canvas) = Pixmap::new(SIZE, SIZE) else { return Vec::new() };
    match flame {
        Flame::Ash => {
            for (x, y) in [(5.0, 16.5), (12.0, 15.0), (19.0, 16.5)] {
                fill(&mut canvas, PathBuilder::from_circle(x, y, 2.9), GREY);
            }
        }
        Flame::Dark => {
            line(&mut canvas, body(), RED, 0);
            line(&mut canvas, slash(), RED, 0);
        }
        Flame::Working => {
            fill(&mut canvas, body(), EMBER);
            line(&mut canvas, tick(), EMBER, turn);
        }
        Flame::Lit => fill(&mut canvas, body(), EMBER),
        Flame::Low => {
            fill(&mut canvas, body(), EMBER);
            cut(&mut canvas, notch());
        }
        Flame::NeedsYou => {
            fill(&mut canvas, body(), EMBER);
            cut(&mut canvas, PathBuilder::from_circle(18.6, 5.4, 5.4));
            fill(&mut canvas, PathBuilder::from_circle(18.6, 5.4, 3.8), AMBER);
        }
    }
    canvas
        .pixels()
        .iter()
        .map(|pixel| pixel.demultiply())
        .flat_map(|c| [c.red(), c.green(), c.blue(), c.alpha()])
        .collect()
}

fn body() -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(12.4, 1.8);
    path.cubic_to(12.9, 5.7, 18.5, 8.1, 18.5, 14.1);
    path.cubic_to(18.5, 17.69, 15.59, 20.6, 12.0, 20.6);
    path.cubic_to(8.41, 20.6, 5.5, 17.69, 5.5, 14.1);
    path.cubic_to(5.5, 11.2, 7.0, 9.2, 8.5, 7.6);
    path.cubic_to(8.7, 9.3, 9.4, 10.4, 10.4, 11.0);
    path.cubic_to(10.2, 7.6, 11.0, 4.4, 12.4, 1.8);
    path.close();
    path.finish()
}

fn notch() -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(21.0, 7.2);
    path.line_to(12.4, 12.5);
    path.line_to(21.0, 16.8);
    path.close();
    path.finish()
}

fn slash() -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(3.5, 3.5);
    path.line_to(20.5, 20.5);
    path.finish()
}

/// A quarter of a circle around the flame.
fn tick() -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(12.0, 1.2);
    path.cubic_to(17.96, 1.2, 22.8, 6.04, 22.8, 12.0);
    path.finish()
}

fn scale() -> Transform {
    let factor = SIZE as f32 / SQUARE;
    Transform::from_scale(factor, factor)
}

fn fill(canvas: &mut Pixmap, path: Option<Path>, color: [u8; 3]) {
    if let Some(path) = path {
        canvas.fill_path(&path, &paint(color), FillRule::Winding, scale(), None);
    }
}

fn cut(canvas: &mut Pixmap, path: Option<Path>) {
    if let Some(path) = path {
        let mut eraser = paint([0; 3]);
        eraser.blend_mode = BlendMode::Clear;
        canvas.fill_path(&path, &eraser, FillRule::Winding, scale(), None);
    }
}

fn line(canvas: &mut Pixmap, path: Option<Path>, color: [u8; 3], quarters: u8) {
    if let Some(path) = path {
        let stroke =
            Stroke { width: 2.0, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let turned = Transform::from_rotate_at(f32::from(quarters) * 90.0, SQUARE / 2.0, SQUARE / 2.0);
        canvas.stroke_path(&path, &paint(color), &stroke, turned.post_concat(scale()), None);
    }
}

fn paint([red, green, blue]: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba8(red, green, blue, 0xff));
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Flame; 6] = [Flame::Lit, Flame::Low, Flame::NeedsYou, Flame::Working, Flame::Ash, Flame::Dark];

    /// Which pixels are covered, whatever their colour.
    fn shape(flame: Flame, turn: u8) -> Vec<bool> {
        draw(flame, turn).chunks_exact(4).map(|pixel| pixel[3] > 127).collect()
    }

    #[test]
    fn every_state_is_told_from_every_other_by_its_shape_alone() {
        let shapes = ALL.map(|flame| shape(flame, 0));
        for (index, one) in shapes.iter().enumerate() {
            assert_eq!(one.len(), (SIZE * SIZE) as usize);
            for other in shapes.iter().skip(index + 1) {
                let differ = one.iter().zip(other).filter(|(one, other)| one != other).count();
                // Three of a hundred pixels, of which a panel shows a ninth.
                assert!(differ > one.len() * 3 / 100, "{index}: only {differ} pixels differ");
            }
        }
    }

    #[test]
    fn what_is_at_work_turns() {
        let turned = [0, 1, 2, 3].map(|turn| shape(Flame::Working, turn));
        assert!(turned.windows(2).all(|two| two[0] != two[1]));
        assert_eq!(shape(Flame::Lit, 0), shape(Flame::Lit, 3));
    }
}
